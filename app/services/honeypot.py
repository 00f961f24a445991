"""The log-in that leads nowhere: who tries it is written down, so much and so often at most."""

from contextlib import suppress
from datetime import timedelta

from prometheus_client import Counter
from sqlalchemy import delete, func, select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db import append, db, transaction
from app.errors import DomainError
from app.models import HoneypotVisit
from app.models.base import now
from app.models.honeypot import LONGEST_AGENT, LONGEST_NAME
from app.services.actor import Actor
from app.services.pages import Page, page_of
from app.services.rolls import HONEYPOT_VISITS

ATTEMPTS = Counter("loans_honeypot_attempts", "Attempts to log in at the honeypot.", ("outcome",))
# Made now, so that each is there from the start, as 0: a rate needs a beginning.
_WRITTEN_DOWN, _PASSED_OVER = map(ATTEMPTS.labels, ("written down", "passed over"))
KEPT = 10_000
MINUTE, EACH_MINUTE = timedelta(minutes=1), 60
# One number for one purpose: whoever holds it is writing an attempt down.
LOCK = 7_240_002
UNSEEN = "\N{REPLACEMENT CHARACTER}"


def note(*, address: str | None, user_agent: str, name: str) -> None:
    """Write an attempt down, unless there were too many within the minute; it is counted anyway.

    Whoever tries must not find out more than that it failed: nothing is ever raised.
    """
    kept = False
    with suppress(DomainError, PoolTimeout):
        kept = _kept(address, _defused(user_agent, LONGEST_AGENT), _defused(name, LONGEST_NAME))
    (_WRITTEN_DOWN if kept else _PASSED_OVER).inc()


def search(
    actor: Actor, *, page: int, page_size: int, cursor: str | None = None
) -> Page[HoneypotVisit]:
    """Page through the attempts that were written down, newest first. Admins only."""
    actor.must_be_admin()
    query, order = select(HoneypotVisit), HONEYPOT_VISITS.order
    return page_of(query, order=order, page=page, page_size=page_size, cursor=cursor)


def _kept(address: str | None, user_agent: str, name: str) -> bool:
    """Whether it was written down. One at a time, or many at once would be more than allowed."""
    with transaction():
        if not db.session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))):
            return False
        recent = select(func.count()).where(HoneypotVisit.at > now() - MINUTE)
        if (db.session.scalar(recent) or 0) >= EACH_MINUTE:
            return False
        append(HoneypotVisit(address=address, user_agent=user_agent, name=name))
        _forget_the_oldest()
    return True


def _forget_the_oldest() -> None:
    """All but as many as there is room for, beside the one that is being written."""
    newest_first = (HoneypotVisit.at.desc(), HoneypotVisit.id.desc())
    old = select(HoneypotVisit.id).order_by(*newest_first).offset(KEPT - 1)
    db.session.execute(
        delete(HoneypotVisit).where(HoneypotVisit.id.in_(old)),
        execution_options={"synchronize_session": False},
    )


def _defused(text: str, most: int) -> str:
    """Cut, and without what a terminal or a database would take for a command."""
    return "".join(each if each.isprintable() else UNSEEN for each in text[:most])
