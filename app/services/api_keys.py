"""API keys: credentials for programs, stored hashed and shown once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID

from sqlalchemy import bindparam, func, or_, select, update

from app.db import db, transaction
from app.errors import ApiKeyNotFound, Unauthenticated
from app.models import ApiKey, Role
from app.models.base import now
from app.services import audit
from app.services.actor import Actor
from app.services.along import NOTHING, Along, Callers
from app.services.pages import Page, page_of
from app.services.rolls import API_KEYS

PREFIX_LENGTH = 11
USE_NOTED_EVERY = timedelta(minutes=1)
_HOLDERS = Callers(
    select(
        ApiKey.id.label("caller_id"),
        ApiKey.role.label("caller_role"),
        ApiKey.last_used_at.label("caller_was_seen_at"),
    ).where(
        ApiKey.digest == bindparam("digest"),
        ApiKey.revoked_at.is_(None),
        or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > bindparam("now")),
    ),
    role=ApiKey.role,
    id=ApiKey.id,
)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key just made: `key` is the secret itself, which nobody can read again."""

    key: str
    record: ApiKey


def create(actor: Actor, *, name: str, role: Role, expires_at: datetime | None = None) -> NewApiKey:
    """Make a key of a role, at most officer, for a program."""
    actor.must_be_admin()
    secret = "lk_" + token_urlsafe(32)
    with transaction():
        key = ApiKey(
            name=name,
            prefix=secret[:PREFIX_LENGTH],
            digest=_digest(secret),
            role=role,
            created_by=actor.id,
            created_at=now(),
            expires_at=expires_at,
        )
        db.session.add(key)
        audit.record(actor, "api_key.created", key, role=role)
    return NewApiKey(secret, key)


def search(actor: Actor, *, page: int, page_size: int, cursor: str | None = None) -> Page[ApiKey]:
    """Page through the keys that still exist, newest first. Admins only."""
    actor.must_be_admin()
    query = select(ApiKey).where(*API_KEYS.meeting())
    return page_of(query, order=API_KEYS.order, page=page, page_size=page_size, cursor=cursor)


def revoke(actor: Actor, key_id: UUID) -> None:
    """End a key for good; the row stays, because records carry its id. Raises ApiKeyNotFound."""
    actor.must_be_admin()
    with transaction():
        key = db.session.scalar(
            select(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None)).with_for_update()
        )
        if key is None:
            raise ApiKeyNotFound
        key.revoked_at = now()
        audit.record(actor, "api_key.revoked", key)


def holder(secret: str, along: Along = NOTHING) -> Actor:
    """The actor of a key, as the key stands at this moment, with what is read `along`.

    Raises Unauthenticated.
    """
    found = _HOLDERS.row(along, digest=_digest(secret), now=now())
    if found is None:
        raise Unauthenticated("This API key is not good.")
    if found.caller_was_seen_at is None or found.caller_was_seen_at < now() - USE_NOTED_EVERY:
        _note_use(found.caller_id)
    return Actor(
        id=found.caller_id,
        role=Role(found.caller_role),
        kind="api-key",
        generation=found.generation,
        position=found.position,
        record=along.record_in(found),
    )


def _note_use(key_id: UUID) -> None:
    """At most one write a minute and key, and none that waits for another's."""
    idle = select(ApiKey.id).where(ApiKey.id == key_id).with_for_update(skip_locked=True)
    with transaction():
        db.session.execute(
            update(ApiKey).where(ApiKey.id.in_(idle)).values(last_used_at=func.now())
        )


def _digest(secret: str) -> bytes:
    return sha256(secret.encode()).digest()
