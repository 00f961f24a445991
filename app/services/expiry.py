"""What is kept for a time only: deleted when that is over."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import delete, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.db import db, transaction
from app.models import KeptAnswer, KnownPlace, LoginFailures, LoginSession, SigningKey
from app.models.base import now
from app.services import imports

AT_ONCE = 5_000
Moment = InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None]
KEPT_UNTIL: tuple[Moment, ...] = (
    LoginSession.expires_at,
    LoginFailures.window_ends_at,
    KnownPlace.known_until,
    KeptAnswer.expires_at,
    SigningKey.retires_at,
)


def forget_expired() -> int:
    """Delete sessions, counts of failures, kept answers and the like whose time is over; how many.

    Files that were never wholly sent, too. AT_ONCE rows a transaction: however many a day has left,
    none of them takes too long. Others may do the same meanwhile: each row is deleted once, and
    nobody waits for another.
    """
    abandoned = imports.forget_abandoned()
    return abandoned + sum(number for until in KEPT_UNTIL for number in _deleted(until, now()))


def _deleted(until: Moment, at: datetime) -> Iterator[int]:
    """How many rows were deleted each time, until none is left."""
    key = inspect(until.class_).primary_key
    expired = select(*key).where(until <= at).limit(AT_ONCE).with_for_update(skip_locked=True).cte()
    statement = delete(until.class_).where(tuple_(*key).in_(select(expired))).returning(until)
    number = AT_ONCE
    while number == AT_ONCE:
        with transaction():
            rows = db.session.execute(statement, execution_options={"synchronize_session": False})
            number = len(rows.all())
        yield number
