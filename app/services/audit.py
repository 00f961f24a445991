"""The audit trail: who did what to which record, written in the transaction that did it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from app.db import append
from app.models import AuditEvent
from app.models.base import Identified, bare
from app.services import counted
from app.services.actor import Actor
from app.services.listing import Listing
from app.services.pages import Page

TRAIL = Listing(
    AuditEvent,
    select(*AuditEvent.__table__.columns),
    {
        "subject_id": AuditEvent.subject_id == bindparam("subject_id"),
        "actor_id": AuditEvent.actor_id == bindparam("actor_id"),
        # As the tallies call what kind of record it is.
        "status": AuditEvent.action == bindparam("status"),
    },
    "audit",
    telling=frozenset(("subject_id",)),
    moment="at",
)


def record(actor: Actor, action: str, subject: Identified | Actor, **details: object) -> None:
    """Add one event to the transaction at work. `details` must never carry a secret.

    Of a deed that is about no one record, whoever did it is the subject. It is counted as well.
    """
    append(
        bare(
            AuditEvent,
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
    counted.deed(action, details.get("by"))


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    **filters: Any,
) -> Page[Any]:
    """Page through the trail, newest first. Admins only.

    Raises Invalid for a cursor of another list.
    """
    actor.must_be_admin()
    return TRAIL.page(asked(**filters), page=page, page_size=page_size, cursor=cursor)


def asked(
    *,
    subject_id: UUID | None = None,
    actor_id: UUID | None = None,
    action: str | None = None,
    **days: Any,
) -> Mapping[str, Any]:
    """What filters ask TRAIL for; `days` are `first` and `last`."""
    return {"subject_id": subject_id, "actor_id": actor_id, "status": action, **days}
