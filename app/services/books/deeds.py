"""What the audit trail tells of is in the books: what was taken out of both leaves no trace."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select

from app.models import AuditEvent, Journal, Payment
from app.services.books.checks import Differing, check, words


@check(
    "deeds",
    reads="audit events",
    record="audit event",
    found="tells of {}",
    expected="of which the books have {}",
)
def deeds() -> Differing:
    """Each payment, movement of an account and disbursement on the trail has its record."""
    told = words(AuditEvent.action, AuditEvent.subject_id)
    return select(AuditEvent.id, told.label("found"), literal("nothing").label("expected")).where(
        or_(
            _missing(AuditEvent.subject == "payment", Payment.id),
            _missing(AuditEvent.subject == "account", Journal.id),
            _missing(AuditEvent.action == "loan.activated", Journal.loan_id),
        )
    )


def _missing(deed: ColumnElement[bool], record: Any) -> ColumnElement[bool]:
    return and_(deed, ~exists().where(record == AuditEvent.subject_id))
