"""The audit trail: who did what to which record, written in the transaction that did it."""

from datetime import date
from uuid import UUID

from sqlalchemy import select

from app.db import append
from app.models import AuditEvent
from app.models.base import Identified
from app.services.actor import Actor
from app.services.pages import Order, Page, page_of, within_days


def record(actor: Actor, action: str, subject: Identified, **details: object) -> None:
    """Add one event to the transaction at work. `details` must never carry a secret."""
    append(
        AuditEvent(
            actor_id=actor.id,
            actor_kind=actor.kind,
            action=action,
            subject=action.partition(".")[0],
            subject_id=subject.id,
            request_id=actor.request_id,
            address=actor.address,
            details=details,
        )
    )


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
    action: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Page[AuditEvent]:
    """Page through the trail, newest first. Admins only.

    Raises Invalid for a cursor of another list.
    """
    actor.must_be_admin()
    wanted = {"subject_id": subject_id, "actor_id": actor_id, "action": action}
    query = select(AuditEvent).where(*within_days(AuditEvent.at, first, last))
    query = query.filter_by(**{name: value for name, value in wanted.items() if value is not None})
    order = Order((AuditEvent.at, AuditEvent.id))
    return page_of(query, order=order, page=page, page_size=page_size, cursor=cursor)
