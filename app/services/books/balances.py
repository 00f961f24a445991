"""What is kept beside the entries is what they add up to: of loans, and of accounts."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, or_, select

from app.models import Account, Direction, Entry, Journal, Loan, LoanStatus
from app.rules.distribution import NOTHING
from app.services.books.checks import Differing, check

OWED = case((Entry.direction == Direction.DEBIT, Entry.amount), else_=-Entry.amount)
HELD = -OWED


@check(
    "outstanding",
    reads="entries",
    record="loan",
    found="outstanding {}",
    expected="by the ledger {}",
)
def outstanding() -> Differing:
    """What a loan still owes is its debits less its credits; without entries it owes nothing."""
    sums = _sums(Entry.loan_id, OWED)
    return (
        select(Loan.id, Loan.outstanding.label("found"), sums.c.balance.label("expected"))
        .outerjoin(sums, sums.c.of == Loan.id)
        .where(Loan.outstanding != func.coalesce(sums.c.balance, NOTHING))
    )


@check(
    "disbursed",
    reads="loans",
    record="loan",
    found="taken at {}",
    expected="but {}",
)
def disbursed() -> Differing:
    """A loan that was taken has its disbursement; one that was not has none, and no entry."""
    disbursement = exists().where(Journal.loan_id == Loan.id)
    entry = exists().where(Entry.loan_id == Loan.id)
    taken = Loan.taken_at.is_not(None)
    told = case(
        (disbursement, "it has a disbursement"), (taken, "it has none"), else_="it has entries"
    )
    return select(Loan.id, Loan.taken_at.label("found"), told.label("expected")).where(
        or_(and_(taken, ~disbursement), and_(~taken, or_(disbursement, entry)))
    )


@check("statuses", reads="loans", record="loan", found="it is {}", expected="by what it owes {}")
def statuses() -> Differing:
    """ACTIVE is what owes something, PAID what was disbursed and owes nothing."""
    by_balance = case(
        (Loan.outstanding > NOTHING, literal(LoanStatus.ACTIVE)),
        (Loan.taken_at.is_not(None), literal(LoanStatus.PAID)),
    )
    kept = case((Loan.status.in_((LoanStatus.ACTIVE, LoanStatus.PAID)), Loan.status))
    return select(Loan.id, Loan.status.label("found"), by_balance.label("expected")).where(
        kept.is_distinct_from(by_balance)
    )


@check(
    "accounts",
    reads="entries",
    record="account of customer",
    found="balance {}",
    expected="by the ledger {}",
)
def accounts() -> Differing:
    """An account holds its credits less its debits; without entries there is none."""
    sums = _sums(Entry.customer_id, HELD)
    return (
        select(
            func.coalesce(Account.customer_id, sums.c.of).label("id"),
            Account.balance.label("found"),
            sums.c.balance.label("expected"),
        )
        .select_from(Account)
        .outerjoin(sums, sums.c.of == Account.customer_id, full=True)
        .where(Account.balance.is_distinct_from(sums.c.balance))
    )


@check(
    "overdrawn",
    reads="accounts",
    record="account of customer",
    found="balance {}",
    expected="at least {}",
)
def overdrawn() -> Differing:
    """No account is overdrawn."""
    return select(
        Account.customer_id.label("id"),
        Account.balance.label("found"),
        literal(NOTHING).label("expected"),
    ).where(Account.balance < NOTHING)


@check(
    "owed after",
    reads="entries",
    record="entry",
    found="then owed {}",
    expected="by the entries up to it {}",
)
def owed_after() -> Differing:
    """After each entry of a loan, it owes what the entries up to that add up to."""
    return _misremembered(Entry.loan_id, OWED)


@check(
    "held after",
    reads="entries",
    record="entry",
    found="then held {}",
    expected="by the entries up to it {}",
)
def held_after() -> Differing:
    """After each entry of an account, it holds what the entries up to that add up to."""
    return _misremembered(Entry.customer_id, HELD)


def _sums(target: Any, amount: ColumnElement[Any]) -> Any:
    return (
        select(target.label("of"), func.sum(amount).label("balance"))
        .where(target.is_not(None))
        .group_by(target)
        .subquery()
    )


def _misremembered(target: Any, amount: ColumnElement[Any]) -> Differing:
    """The running sum in the order of the ids, with the columns of the index and their rows."""
    running = func.sum(amount).over(partition_by=target, order_by=Entry.id, rows=(None, 0))
    entries = (
        select(Entry.id, Entry.balance_after, running.label("running"))
        .where(target.is_not(None))
        .subquery()
    )
    return select(
        entries.c.id, entries.c.balance_after.label("found"), entries.c.running.label("expected")
    ).where(entries.c.balance_after.is_distinct_from(entries.c.running))
