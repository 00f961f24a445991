"""The whole adds up: no cent was made, none was lost."""

from typing import Any

from sqlalchemy import case, func, literal, select

from app.models import Book, Direction, Entry, Journal, JournalKind, Loan, Payment, PaymentStatus
from app.rules.distribution import NOTHING
from app.services.books.checks import Differing, check


@check(
    "debits and credits",
    reads="entries",
    record="all entries",
    found="debits {}",
    expected="credits {}",
)
def debits_and_credits() -> Differing:
    """All debits are all credits."""
    sides = select(
        *(
            func.coalesce(
                func.sum(Entry.amount).filter(Entry.direction == direction), NOTHING
            ).label(direction)
            for direction in Direction
        )
    ).subquery()
    return _compared(sides.c[Direction.DEBIT], sides.c[Direction.CREDIT])


@check(
    "principal",
    reads="entries",
    record="all loans",
    found="outstanding and paid {}",
    expected="disbursed {}",
)
def principal() -> Differing:
    """What is outstanding and what was paid, less what was reversed, is what was disbursed."""
    paid = case(
        (Payment.status == PaymentStatus.COMPLETED, Payment.total_amount),
        (Payment.status == PaymentStatus.REVERSED, -Payment.total_amount),
        else_=NOTHING,
    )
    outstanding = select(func.coalesce(func.sum(Loan.outstanding), NOTHING)).scalar_subquery()
    repaid = select(func.coalesce(func.sum(paid), NOTHING)).scalar_subquery()
    disbursed = (
        select(func.coalesce(func.sum(Entry.amount), NOTHING))
        .join(Journal, Journal.id == Entry.journal_id)
        .where(Journal.kind == JournalKind.DISBURSEMENT, Entry.book == Book.RECEIVABLE)
        .scalar_subquery()
    )
    sides = select((outstanding + repaid).label("known"), disbursed.label("disbursed")).subquery()
    return _compared(sides.c.known, sides.c.disbursed)


def _compared(found: Any, expected: Any) -> Differing:
    return select(literal("").label("id"), found.label("found"), expected.label("expected")).where(
        found != expected
    )
