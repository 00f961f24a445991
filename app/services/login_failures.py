"""Counting wrong guesses against a name, whoever sends them and whether or not it exists."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app import config
from app.db import db, transaction
from app.errors import TooMany
from app.models import LoginFailures
from app.models.base import now


def of_password_change(user_id: UUID) -> str:
    """What a session's wrong passwords count under: a name that nobody can log in with."""
    return f"password change\n{user_id}"


def of_second_factor(user_id: UUID) -> str:
    """What the one-time passwords of a user's session count under: the password forgives none."""
    return f"second factor\n{user_id}"


def must_be_few(name: str) -> None:
    """Raise TooMany while the name has had its share of failures in the present window.

    `name` is an e-mail as the caller wrote it, or what a function above answers.
    """
    counted = select(LoginFailures.failures, LoginFailures.window_ends_at)
    found = db.session.execute(counted.where(_is(name))).one_or_none()
    if found is not None:
        _judge(found.failures + 1, found.window_ends_at)


def add(name: str) -> None:
    """Count one failure; a window that is over starts anew.

    Raises TooMany for one beyond the share, which others at the same moment may have used up.
    """
    with transaction():
        failures, ends_at = _added(name)
    _judge(failures, ends_at)


def count(name: str) -> None:
    """Count one failure, in the transaction at work, which holds the lock it was judged under.

    Raises TooMany, as `add` does.
    """
    _judge(*_added(name))


def _added(name: str) -> tuple[int, datetime]:
    """The failures with this one, and when their window ends."""
    fresh = now() + timedelta(minutes=config.current().login_failure_window_minutes)
    over = LoginFailures.window_ends_at <= now()
    row = insert(LoginFailures).values(email_digest=_digest(name), failures=1, window_ends_at=fresh)
    counted = row.on_conflict_do_update(
        index_elements=[LoginFailures.email_digest],
        set_={
            "failures": case((over, 1), else_=LoginFailures.failures + 1),
            "window_ends_at": case((over, fresh), else_=LoginFailures.window_ends_at),
        },
    ).returning(LoginFailures.failures, LoginFailures.window_ends_at)
    failures, ends_at = db.session.execute(counted).one()
    return failures, ends_at


def forget(name: str) -> None:
    """Start from nothing, in the transaction at work: the password was right.

    Raises TooMany if the share was used up while it was matched: a guess among many sent at once
    must not succeed where the same guess sent after them would not have been looked at.
    """
    gone = delete(LoginFailures).where(_is(name))
    found = db.session.execute(
        gone.returning(LoginFailures.failures, LoginFailures.window_ends_at)
    ).one_or_none()
    if found is not None:
        _judge(found.failures + 1, found.window_ends_at)


def _judge(attempt: int, ends_at: datetime) -> None:
    settings = config.current()
    remaining = (ends_at - now()).total_seconds()
    if settings.ratelimit_enabled and attempt > settings.login_failures_allowed and remaining > 0:
        raise TooMany("Too many wrong guesses; try again later.", retry_after=int(remaining) + 1)


def _is(name: str) -> ColumnElement[bool]:
    return LoginFailures.email_digest == _digest(name)


def _digest(name: str) -> ColumnElement[bytes]:
    """Folded by PostgreSQL, as users are looked up: two spellings of one user are one name."""
    return func.sha256(func.convert_to(func.lower(name), "UTF8"))
