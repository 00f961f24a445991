"""Every journal balances, and its lines are those of its kind."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    String,
    Uuid,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from app.models import (
    Book,
    Direction,
    Entry,
    Journal,
    JournalKind,
    Loan,
    Payment,
    PaymentSource,
)
from app.services.books.checks import Differing, check, words

DEBIT, CREDIT = Entry.direction == Direction.DEBIT, Entry.direction == Direction.CREDIT
CASH, RECEIVABLE = Entry.book == Book.CASH, Entry.book == Book.RECEIVABLE
ACCOUNT = Entry.book == Book.CUSTOMER


@check("balance", reads="entries", record="journal", found="debits {}", expected="credits {}")
def unbalanced() -> Differing:
    """Each journal has entries, and debits as much as it credits."""
    sums = (
        select(
            Entry.journal_id,
            func.sum(Entry.amount).filter(DEBIT).label("debits"),
            func.sum(Entry.amount).filter(CREDIT).label("credits"),
        )
        .group_by(Entry.journal_id)
        .subquery()
    )
    return (
        select(Journal.id, sums.c.debits.label("found"), sums.c.credits.label("expected"))
        .outerjoin(sums, sums.c.journal_id == Journal.id)
        .where(func.coalesce(sums.c.debits != sums.c.credits, True))
    )


@check(
    "disbursements",
    reads="entries",
    record="journal",
    found="lines {}",
    expected="but it disburses {}: that is debited, its customer's account credited",
)
def disbursements() -> Differing:
    """A disbursement debits its loan, and credits the customer's account, by the loan's amount."""
    whole = Entry.amount == Loan.amount
    owed = and_(RECEIVABLE, DEBIT, whole, Entry.loan_id == Loan.id)
    given = and_(ACCOUNT, CREDIT, whole, Entry.customer_id == Loan.customer_id)
    loan = func.min(words("loan", Loan.id, "of", Loan.amount))
    return (
        _misbooked(loan, JournalKind.DISBURSEMENT)
        .outerjoin(Loan, Loan.id == Journal.loan_id)
        .having(or_(func.count() != 2, _number(owed) != 1, _number(given) != 1))
    )


@check(
    "payments",
    reads="entries",
    record="journal",
    found="lines {}",
    expected="but it books {}: that source is debited once, the payer's loans are credited",
)
def payments() -> Differing:
    """A payment debits the cash, or the payer's account, by its total; and credits their loans."""
    from_cash = and_(CASH, Payment.source == PaymentSource.EXTERNAL)
    from_account = and_(
        ACCOUNT,
        Payment.source == PaymentSource.ACCOUNT,
        Entry.customer_id == Payment.customer_id,
    )
    source = and_(DEBIT, Entry.amount == Payment.total_amount, or_(from_cash, from_account))
    detail = and_(CREDIT, RECEIVABLE, Loan.customer_id == Payment.customer_id)
    payment = func.min(words(Payment.source, "payment", Payment.id, "of", Payment.total_amount))
    return (
        _misbooked(payment, JournalKind.PAYMENT)
        .outerjoin(Payment, Payment.id == Journal.payment_id)
        .outerjoin(Loan, Loan.id == Entry.loan_id)
        .having(or_(_number(source) != 1, _number(detail) != func.count() - 1, func.count() < 2))
    )


@check(
    "movements",
    reads="journals",
    record="journal",
    found="lines {}",
    expected="but it is a {}: cash and one account",
)
def movements() -> Differing:
    """A deposit debits the cash and credits one account; a withdrawal does the opposite."""
    deposits = Journal.kind == JournalKind.DEPOSIT
    cash = and_(CASH, case((deposits, DEBIT), else_=CREDIT))
    account = and_(ACCOUNT, case((deposits, CREDIT), else_=DEBIT))
    kinds = (JournalKind.DEPOSIT, JournalKind.WITHDRAWAL)
    return _misbooked(func.min(Journal.kind), *kinds).having(
        or_(func.count() != 2, _number(cash) != 1, _number(account) != 1)
    )


@check(
    "reversals",
    reads="journals",
    record="journal",
    found="{}",
    expected="by what it reverses {}",
)
def reversals() -> Differing:
    """A reversal has each line of what it reverses, debit for credit, as often; and no other."""
    undone = case((DEBIT, literal(Direction.CREDIT)), else_=literal(Direction.DEBIT))
    lines = union_all(
        _reversing(Entry.direction, found=1, expected=0).where(Entry.journal_id == Journal.id),
        _reversing(undone, found=0, expected=1).where(Entry.journal_id == Journal.reverses),
    ).subquery()
    line = (lines.c.book, lines.c.loan_id, lines.c.customer_id, lines.c.direction, lines.c.amount)
    found, expected = func.sum(lines.c.found), func.sum(lines.c.expected)
    target = func.coalesce(lines.c.loan_id, lines.c.customer_id)
    told = words(lines.c.book, target, lines.c.direction, lines.c.amount)
    return (
        select(
            lines.c.id,
            words(found, "of", told).label("found"),
            expected.label("expected"),
        )
        .group_by(lines.c.id, *line)
        .having(found != expected)
    )


@check(
    "undone",
    reads="journals",
    record="journal",
    found="reverses a {}",
    expected="which is not done",
)
def undone() -> Differing:
    """A reversal undoes a payment, by a payment of its own, or a deposit or withdrawal."""
    original = aliased(Journal)
    by_payment = Journal.payment_id.is_not(None)
    told = words(original.kind, case((by_payment, "with"), else_="without"), "a payment of its own")
    is_done = or_(
        and_(original.kind == JournalKind.PAYMENT, by_payment),
        and_(original.kind.in_((JournalKind.DEPOSIT, JournalKind.WITHDRAWAL)), ~by_payment),
    )
    return (
        select(Journal.id, told.label("found"), null().label("expected"))
        .outerjoin(original, original.id == Journal.reverses)
        .where(Journal.kind == JournalKind.REVERSAL, func.coalesce(~is_done, True))
    )


def _misbooked(told: ColumnElement[Any], *kinds: JournalKind) -> Differing:
    """The journals of these kinds, by their entries; `told` is what they should book."""
    return (
        select(Entry.journal_id.label("id"), _lines().label("found"), told.label("expected"))
        .join(Journal, Journal.id == Entry.journal_id)
        .where(Journal.kind.in_(kinds))
        .group_by(Entry.journal_id)
    )


def _lines() -> ScalarSelect[str]:
    """All lines of a journal in words; read only for a journal that differs."""
    line = aliased(Entry)
    target = func.coalesce(line.loan_id, line.customer_id)
    line_told = words(line.book, target, line.direction, line.amount)
    return (
        select(func.string_agg(line_told, aggregate_order_by(literal("; "), line.id)))
        .where(line.journal_id == Entry.journal_id)
        .correlate(Entry)
        .scalar_subquery()
    )


def _number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)


def _reversing(direction: Any, *, found: int, expected: int) -> Differing:
    return select(
        Journal.id,
        Entry.book,
        cast(Entry.loan_id, Uuid),
        cast(Entry.customer_id, Uuid),
        cast(direction, String).label("direction"),
        Entry.amount,
        literal(found).label("found"),
        literal(expected).label("expected"),
    ).where(Journal.kind == JournalKind.REVERSAL)
