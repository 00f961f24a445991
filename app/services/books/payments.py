"""Every payment is booked as its status says, and undone by its equal."""

from typing import Any

from sqlalchemy import case, select
from sqlalchemy.orm import aliased

from app.models import Journal, JournalKind, Payment, PaymentStatus
from app.services.books.checks import Differing, check, words

BOOKED_AS = {
    PaymentStatus.COMPLETED: JournalKind.PAYMENT,
    PaymentStatus.REVERSED: JournalKind.REVERSAL,
}


@check(
    "journals of payments",
    reads="payments",
    record="payment",
    found="booked by {}",
    expected="by its status {}",
)
def booked() -> Differing:
    """COMPLETED has one journal, a payment; REVERSED one, a reversal; REJECTED has none."""
    right = case(*((Payment.status == status, kind) for status, kind in BOOKED_AS.items()))
    return (
        select(Payment.id, Journal.kind.label("found"), right.label("expected"))
        .outerjoin(Journal, Journal.payment_id == Payment.id)
        .where(Journal.kind.is_distinct_from(right))
    )


@check(
    "undone payments",
    reads="payments",
    record="payment",
    found="undoes {}",
    expected="but that is {}",
)
def undone() -> Differing:
    """A REVERSED payment and its journal undo one and the same COMPLETED payment, in all."""
    original, journal, undone_journal = aliased(Payment), aliased(Journal), aliased(Journal)
    found = _told(Payment, journal.reverses, PaymentStatus.COMPLETED)
    expected = _told(original, undone_journal.id, original.status)
    return (
        select(Payment.id, found.label("found"), expected.label("expected"))
        .outerjoin(original, original.id == Payment.reverses)
        .outerjoin(journal, journal.payment_id == Payment.id)
        .outerjoin(undone_journal, undone_journal.payment_id == original.id)
        .where(Payment.status == PaymentStatus.REVERSED, found != expected)
    )


def _told(payment: Any, journal_id: Any, status: Any) -> Any:
    """Customer, source, total, status and journal in words, which differ where one of them does."""
    parts = (status, payment.source, payment.total_amount, "of customer", payment.customer_id)
    return words(*parts, "in journal", journal_id)
