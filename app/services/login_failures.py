"""Counting wrong guesses against names, whoever sends them and whether or not a name exists.

Each name has a share of guesses that are free at once. A guess used up comes back after a part of
the window, one after the other, so that whoever guesses on is slowed to that pace, and whoever has
mistyped waits for minutes at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import ColumnElement, case, delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from app import config
from app.db import after_commit, db, transaction
from app.errors import TooMany
from app.models import LoginFailures
from app.models.base import now
from app.services import digests, known_places
from app.services.counted import TOO_MANY, WRONG

# Guesses from all places together from which nobody ever logged in with that e-mail, in shares of
# one place: one stranger alone must not use up what others need.
STRANGERS_SHARES = 3


@dataclass(frozen=True, slots=True)
class Counted:
    """What guesses count under, and how often LOGIN_FAILURES_ALLOWED it has."""

    name: str
    shares: int = 1

    @property
    def step(self) -> timedelta:
        """After how long one guess that was used up is free again."""
        return _window() // (config.current().login_failures_allowed * self.shares)


Guesses = Sequence[Counted]


def of_log_in(email: str, address: str | None) -> Guesses:
    """What the log-ins of an e-mail, as the caller wrote it, count under at this address.

    Where it has logged in before, it has a share that nobody elsewhere can use up. All other places
    have one each, as long as theirs together lasts.
    """
    here = Counted(known_places.name_of(email, address))
    if known_places.is_known(email, address):
        return (here,)
    return here, Counted(email, STRANGERS_SHARES)


def of_password_change(user_id: UUID) -> Guesses:
    """What a session's wrong passwords count under: a name that nobody can log in with."""
    return (Counted(f"password change\n{user_id}"),)


def of_second_factor(user_id: UUID) -> Guesses:
    """What the one-time passwords of a user's session count under: the password forgives none."""
    return (Counted(f"second factor\n{user_id}"),)


def must_be_few(guesses: Guesses) -> None:
    """Raise TooMany while one of the names has used up its share."""
    _judge(db.session.scalars(select(_free_at(guesses)).where(_is(guesses))).all())


def add(guesses: Guesses) -> None:
    """Count one failure.

    Raises TooMany for one beyond the share, which others at the same moment may have used up.
    """
    with transaction():
        is_counted = _add(guesses)
    if not is_counted:
        must_be_few(guesses)


def count(guesses: Guesses) -> None:
    """Count one failure, in the transaction at work, which holds the lock it was judged under.

    Raises TooMany, as `add` does.
    """
    if not _add(guesses):
        must_be_few(guesses)


def forget(guesses: Guesses) -> None:
    """Start from nothing, in the transaction at work: the password was right.

    Raises TooMany if the share was used up while it was matched: a guess among many sent at once
    must not succeed where the same guess sent after them would not have been looked at.
    """
    gone = delete(LoginFailures).where(_is(guesses)).returning(_free_at(guesses))
    _judge(db.session.scalars(gone).all())


def _add(guesses: Guesses) -> bool:
    """Whether each name had a guess to spare, which is used up now."""
    at = now()
    rows = [
        {
            "email_digest": digests.of_name(each.name),
            "failures": 1,
            "window_ends_at": at + each.step,
        }
        for each in guesses
    ]
    row = insert(LoginFailures).values(rows)
    ends_at = func.greatest(LoginFailures.window_ends_at, at) + (row.excluded.window_ends_at - at)
    over = LoginFailures.window_ends_at <= at
    added = row.on_conflict_do_update(
        index_elements=[LoginFailures.email_digest],
        set_={
            "failures": case((over, 1), else_=LoginFailures.failures + 1),
            "window_ends_at": ends_at,
        },
        where=ends_at <= at + _window(),
    ).returning(LoginFailures.failures)
    after_commit(WRONG.inc)
    return len(db.session.scalars(added).all()) == len(guesses)


def _judge(free_at: Sequence[datetime]) -> None:
    """Raise TooMany unless a guess is free under each name now."""
    wait = max((each - now() for each in free_at), default=timedelta())
    if wait > timedelta() and config.current().ratelimit_enabled:
        TOO_MANY.inc()
        raise TooMany(
            "Too many wrong guesses; try again later.", retry_after=ceil(wait.total_seconds())
        )


def _free_at(guesses: Guesses) -> ColumnElement[datetime]:
    """When the next guess is free under the name of a row."""
    lasting = {each: _window() - each.step for each in guesses}
    return case(
        *(
            (_is([each]), LoginFailures.window_ends_at - literal(left))
            for each, left in lasting.items()
        )
    )


def _window() -> timedelta:
    return timedelta(minutes=config.current().login_failure_window_minutes)


def _is(guesses: Guesses) -> ColumnElement[bool]:
    return LoginFailures.email_digest.in_([digests.of_name(each.name) for each in guesses])
