"""The keys that tokens are signed with: one signs, and those before it count for a while."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex, token_urlsafe

from sqlalchemy import Select, func, or_, select

from app import config
from app.db import db, transaction
from app.models import SigningKey
from app.models.base import now
from app.services import audit, auth, sealing
from app.services.actor import Actor

# SECRET_KEY itself, as releases sign that know of no other key.
FIRST = "1"
NAME_BYTES = 8
SECRET_BYTES = 48
# One number for one purpose: whoever makes a key holds it until that is committed.
MAKING_LOCK = 7_240_004

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its name; what it signed counts until `retires_at`, if that is known yet."""

    name: str
    secret: str
    retires_at: datetime | None


def signing() -> Key:
    """The key to sign with now, whatever other process has made it.

    It is the newest that SECRET_KEY opens, and made where there is none: the first is SECRET_KEY
    itself, so that what was signed before there were keys still counts.
    """
    return _newest() or _made()


def living() -> dict[str, Key]:
    """The keys whose tokens count, by name, as far as SECRET_KEY opens them."""
    counting = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > now())
    keys = {key.name: key for key in _keys(select(SigningKey).where(counting))}
    if not keys and _is_empty():
        first = _made()
        return {first.name: first}
    return keys


def rotate(actor: Actor, *, at_once: bool = False) -> Key:
    """Sign with a new key. What the former ones signed counts until the last of it has expired.

    `at_once` it counts no longer, and every session ends: for a key that somebody else may know.
    The keys that are left are sealed under the present SECRET_KEY.
    """
    actor.must_be_admin()
    with transaction():
        _lock()
        for former in db.session.scalars(select(SigningKey)):
            _retire(former, now() if at_once else now() + _longest_life())
            if (secret := _secret(former)) is not None:
                former.sealed = _sealed(former.name, secret)
        if at_once:
            auth.end_sessions()
        made = _add(token_hex(NAME_BYTES), token_urlsafe(SECRET_BYTES))
        audit.record(actor, "signing_key.made", made, key=made.name, at_once=at_once)
    return _key(made)


def _newest() -> Key | None:
    signing = select(SigningKey).where(SigningKey.retires_at.is_(None))
    newest = signing.order_by(SigningKey.created_at.desc(), SigningKey.id.desc())
    return next(_keys(newest), None)


def _made() -> Key:
    """A key where there is none that opens; others may have made it by now."""
    with transaction():
        _lock()
        if (key := _newest()) is not None:
            return key
        if _is_empty():
            return _key(_add(FIRST, config.current().secret_key))
        log.error("no signing key opens under this SECRET_KEY: tokens are signed with a new one")
        return _key(_add(token_hex(NAME_BYTES), token_urlsafe(SECRET_BYTES)))


def _add(name: str, secret: str) -> SigningKey:
    made = SigningKey(name=name, sealed=_sealed(name, secret), created_at=now())
    db.session.add(made)
    return made


def _retire(key: SigningKey, at: datetime) -> None:
    if key.retires_at is None or key.retires_at > at:
        key.retires_at = at


def _keys(query: Select[SigningKey]) -> Iterator[Key]:
    """Those that SECRET_KEY opens, or the one before it."""
    for found in db.session.scalars(query.execution_options(populate_existing=True)):
        if _secret(found) is not None:
            yield _key(found)


def _key(found: SigningKey) -> Key:
    return Key(found.name, _secret(found) or "", found.retires_at)


def _secret(key: SigningKey) -> str | None:
    opened = sealing.opened(_sealing_name(key.name), key.sealed)
    return None if opened is None else opened.decode()


def _sealed(name: str, secret: str) -> bytes:
    return sealing.sealed(_sealing_name(name), secret.encode())


def _sealing_name(name: str) -> str:
    return f"signing key/{name}"


def _is_empty() -> bool:
    return db.session.scalar(select(SigningKey.id).limit(1)) is None


def _longest_life() -> timedelta:
    """Of a token: a refresh token's."""
    settings = config.current()
    access = timedelta(minutes=settings.access_token_minutes)
    return max(access, timedelta(days=settings.refresh_token_days))


def _lock() -> None:
    """One makes a key at a time: of two who find none, the second finds the first one's."""
    db.session.execute(select(func.pg_advisory_xact_lock(MAKING_LOCK)))
