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
    not_,
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


@check("journals", reads="entries", record="journal", found="lines {}", expected="{}")
def well_booked() -> Differing:
    """Each journal balances, and has the lines of its kind: one from which, the others to which.

    A disbursement debits its loan, and credits the customer's account, by the loan's amount. A
    payment debits the cash, or the payer's account, by its total, and credits loans of theirs. A
    deposit debits the cash and credits one account; a withdrawal does the opposite. What a
    reversal has is asked below. One statement, for the ledger is large, and all of it is read.
    """
    imbalance = func.sum(case((DEBIT, Entry.amount), else_=-Entry.amount))
    lines = func.count(Entry.id)
    from_which, to_which = (func.count().filter(each) for each in (_from_which(), _to_which()))
    is_payment, is_reversal = (
        Journal.kind == kind for kind in (JournalKind.PAYMENT, JournalKind.REVERSAL)
    )
    enough = case((is_payment, lines > 1), else_=lines == 2)
    as_its_kind = or_(is_reversal, and_(enough, from_which == 1, to_which == lines - 1))
    told = case((imbalance != 0, "which do not balance"), else_=words("but it is", _told()))
    return (
        select(Journal.id, _lines().label("found"), told.label("expected"))
        .outerjoin(Entry, Entry.journal_id == Journal.id)
        .outerjoin(Payment, Payment.id == Journal.payment_id)
        .outerjoin(Loan, Loan.id == func.coalesce(Journal.loan_id, Entry.loan_id))
        .group_by(Journal.id)
        .having(or_(lines == 0, imbalance != 0, not_(as_its_kind)))
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


def _from_which() -> ColumnElement[bool]:
    """Whether a line is the one from which a journal of its kind takes."""
    lent = and_(ACCOUNT, CREDIT, Entry.amount == Loan.amount, Entry.customer_id == Loan.customer_id)
    its_own = and_(ACCOUNT, Entry.customer_id == Payment.customer_id)
    source = case((Payment.source == PaymentSource.ACCOUNT, its_own), else_=CASH)
    paid = and_(DEBIT, Entry.amount == Payment.total_amount, source)
    return _by_kind(lent, paid, and_(CASH, DEBIT), and_(CASH, CREDIT))


def _to_which() -> ColumnElement[bool]:
    """Whether a line is one to which a journal of its kind gives."""
    lent = and_(RECEIVABLE, DEBIT, Entry.amount == Loan.amount, Entry.loan_id == Journal.loan_id)
    paid = and_(RECEIVABLE, CREDIT, Loan.customer_id == Payment.customer_id)
    return _by_kind(lent, paid, and_(ACCOUNT, CREDIT), and_(ACCOUNT, DEBIT))


def _by_kind(
    disbursement: ColumnElement[bool],
    payment: ColumnElement[bool],
    deposit: ColumnElement[bool],
    withdrawal: ColumnElement[bool],
) -> ColumnElement[bool]:
    return case(
        (Journal.kind == JournalKind.PAYMENT, payment),
        (Journal.kind == JournalKind.DISBURSEMENT, disbursement),
        (Journal.kind == JournalKind.WITHDRAWAL, withdrawal),
        (Journal.kind == JournalKind.DEPOSIT, deposit),
    )


def _told() -> ColumnElement[str]:
    """What a journal books, in words; read only for a journal that differs."""
    payment, loan = aliased(Payment), aliased(Loan)
    paid = select(words("of", payment.total_amount, payment.source, payment.id)).where(
        payment.id == Journal.payment_id
    )
    lent = select(words("of", loan.amount, "on", loan.id)).where(loan.id == Journal.loan_id)
    subjects = (each.correlate(Journal).scalar_subquery() for each in (paid, lent))
    return words("a", Journal.kind, *subjects)


def _lines() -> ScalarSelect[str]:
    """All lines of a journal in words; read only for a journal that differs."""
    line = aliased(Entry)
    target = func.coalesce(line.loan_id, line.customer_id)
    told = words(line.book, target, line.direction, line.amount)
    return (
        select(func.string_agg(told, aggregate_order_by(literal("; "), line.id)))
        .where(line.journal_id == Journal.id)
        .correlate(Journal)
        .scalar_subquery()
    )


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
