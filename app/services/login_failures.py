"""Counting failed log-ins against an e-mail, whoever sends them and whether or not it exists."""

from datetime import timedelta
from hashlib import sha256

from sqlalchemy import case, delete, select
from sqlalchemy.dialects.postgresql import insert

from app import config
from app.db import db, transaction
from app.errors import TooMany
from app.models import LoginFailures
from app.models.base import now


def must_be_few(email: str) -> None:
    """Raise TooMany while the e-mail has had its share of failures in the present window."""
    settings = config.current()
    if not settings.ratelimit_enabled:
        return
    ends_at = db.session.scalar(
        select(LoginFailures.window_ends_at).where(
            LoginFailures.email_digest == _digest(email),
            LoginFailures.failures >= settings.login_failures_allowed,
            LoginFailures.window_ends_at > now(),
        )
    )
    if ends_at is not None:
        wait = int((ends_at - now()).total_seconds()) + 1
        raise TooMany("Too many failed log-ins; try again later.", retry_after=wait)


def add(email: str) -> None:
    """Count one failure; a window that is over starts anew."""
    fresh = now() + timedelta(minutes=config.current().login_failure_window_minutes)
    over = LoginFailures.window_ends_at <= now()
    row = insert(LoginFailures).values(
        email_digest=_digest(email), failures=1, window_ends_at=fresh
    )
    counted = row.on_conflict_do_update(
        index_elements=[LoginFailures.email_digest],
        set_={
            "failures": case((over, 1), else_=LoginFailures.failures + 1),
            "window_ends_at": case((over, fresh), else_=LoginFailures.window_ends_at),
        },
    )
    with transaction():
        db.session.execute(counted)


def forget(email: str) -> None:
    """Start from nothing, in the transaction at work: the password was right."""
    db.session.execute(delete(LoginFailures).where(LoginFailures.email_digest == _digest(email)))


def _digest(email: str) -> bytes:
    return sha256(email.casefold().encode()).digest()
