"""How long a session lasts: one at the console ends some time after its last use."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from app import config
from app.db import db, transaction
from app.models import LoginSession
from app.models.base import now

USE_NOTED_EVERY = timedelta(minutes=1)
# However busy, a console session ends after a day's work.
LONGEST_AT_THE_CONSOLE = timedelta(hours=12)


def over_the_api() -> timedelta:
    """As long as its refresh token, which each use replaces."""
    return timedelta(days=config.current().refresh_token_days)


def at_console() -> timedelta:
    """As long as nothing may happen there."""
    return timedelta(minutes=config.current().console_idle_minutes)


def prolong(session_id: UUID, came_at: datetime, goes_at: datetime) -> None:
    """Note the use of a session at the console: at most one write a minute."""
    until = min(now() + at_console(), came_at + LONGEST_AT_THE_CONSOLE)
    if goes_at > until - USE_NOTED_EVERY:
        return
    with transaction():
        db.session.execute(
            update(LoginSession).where(LoginSession.id == session_id).values(expires_at=until)
        )
