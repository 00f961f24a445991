"""Reading from a streaming replica, and never less than had been acknowledged by then.

Whoever asks is recognized by the primary, which tells along with that how far it has written. A
replica that has replayed as much holds every write that was acknowledged before, the caller's own
among them, through whatever process they went, and each whose generation the caller was told. One
that has not, is away, or follows no primary any more is passed over: the primary answers.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import chain
from threading import Lock, Thread
from time import monotonic, sleep
from typing import TypeVar

from flask import Flask, current_app
from prometheus_client import Counter
from sqlalchemy import ColumnElement, Connection, PoolProxiedConnection, literal_column, select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.config import Settings
from app.db import REPLICA, db, on_replica, snapshot
from app.driver import send
from app.errors import Contended, DatabaseAway, DatabaseBusy
from app.reading import Reading

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

READS = Counter("loans_replica_reads", "Reads that a replica might answer.", ("outcome",))
# It replays within a millisecond or two as a rule; who has waited for so long asks the primary.
PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016)
# Longer than it takes to find out that a host has vanished: one caller at a time waits for that.
REST_SECONDS = 5.0
# Who asks how it stands is told within that: one that hangs is of no use.
ANSWER_SECONDS = 1.0
# What was behind a moment ago may have caught up, and is worth a line in the log only if it lasts.
BREATH_SECONDS = 0.2
# Of which servers, and how far it has written what was acknowledged; NULL where whoever answers is
# no primary yet.
POSITION: ColumnElement[str | None] = literal_column(
    "CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_flush_lsn() || ' ' ||"
    " (SELECT system_identifier FROM pg_control_system()) END"
).label("position")
# One that was promoted has another history from there on, and one that lost its primary may have.
STATE = """
SELECT pg_is_in_recovery() AND EXISTS (SELECT FROM pg_stat_wal_receiver)
           AND system_identifier::text = split_part(%(position)s, ' ', 2),
       pg_last_wal_replay_lsn() >= split_part(%(position)s, ' ', 1)::pg_lsn
FROM pg_control_system()
"""


class State(StrEnum):
    """How the replica stands; `BEHIND` what was asked for, `DETACHED` from any primary."""

    OK = "ok"
    BEHIND = "behind"
    DETACHED = "detached"
    DOWN = "down"


class Replica:
    """The replica as one process sees it: left alone for a while when it is of no use.

    Told once when that begins, and once when it is over. Safe to use from many threads.
    """

    def __init__(self) -> None:
        self.state = State.OK
        self._is_told = False
        self._lock = Lock()
        self._began_at = self._next_try_at = 0.0

    def may_be_tried(self) -> bool:
        """True where all is well, and otherwise for one caller in a while."""
        if self.state is State.OK:
            return True
        with self._lock:
            is_time = monotonic() >= self._next_try_at
            if is_time:
                self._rest()
        if not is_time:
            READS.labels(self.state).inc()
        return is_time

    def is_found(self, state: State, cause: object = "") -> None:
        """Note how it was found to be just now."""
        READS.labels(state).inc()
        if state is self.state is State.OK:
            return
        with self._lock:
            if self.state is State.OK:
                self._began_at = monotonic()
            self.state = state
            self._rest()
            seconds = monotonic() - self._began_at
            is_lasting = state is not State.BEHIND or seconds >= REST_SECONDS
            is_news = self._is_told if state is State.OK else is_lasting and not self._is_told
            self._is_told = self._is_told is not is_news
        if is_news:
            self._tell(state, seconds, cause)

    def _rest(self) -> None:
        rest = BREATH_SECONDS if self.state is State.BEHIND else REST_SECONDS
        self._next_try_at = monotonic() + rest

    def _tell(self, state: State, seconds: float, cause: object) -> None:
        if state is State.OK:
            log.warning("reads go to the replica again", extra={"seconds": round(seconds, 1)})
        else:
            log.warning("reads go to the primary", extra={"replica": state, "cause": str(cause)})


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["replica"] = Replica() if settings.database_read_url else None


def is_set() -> bool:
    """Whether there is one."""
    return _current() is not None


def read(position: str | None, ask: Callable[[], Answer]) -> Answer:
    """What `ask` reads: from the replica once that has replayed `position`, else from the primary.

    It may be called twice, and must not write.
    """
    replica = _current()
    if replica and position and replica.may_be_tried():
        with _noted(replica), on_replica() as lent:
            if _has_replayed(replica, lent, position):
                return ask()
    return ask()


@contextmanager
def view(position: str | None) -> Iterator[Connection]:
    """A snapshot of the replica once that has replayed `position`, else of the primary.

    Without a `position` it is the primary's of this moment.
    """
    with ExitStack() as stack:
        replica = _current()
        opened = None
        if replica and replica.may_be_tried() and (asked := position or _present()):
            with _noted(replica):
                opened = _opened(stack, replica, asked)
        yield opened or stack.enter_context(snapshot())


def state() -> State:
    """How the replica stands, asked now unless it is being left alone."""
    replica = _current()
    assert replica  # noqa: S101 (or nobody asks)
    if replica.may_be_tried() and (position := _present()):
        try:
            _asked(replica, position).result(ANSWER_SECONDS)
        except NotInTime:
            replica.is_found(State.DOWN, "it gives no answer")
    return replica.state


def _asked(replica: Replica, position: str) -> Future[None]:
    """Ask in a thread of its own, which may hang and keeps no process from ending."""
    asked: Future[None] = Future()

    def ask(app: Flask) -> None:
        try:
            with app.app_context(), _noted(replica), on_replica() as lent:
                _has_replayed(replica, lent, position)
        except BaseException as error:
            asked.set_exception(error)
        else:
            asked.set_result(None)

    app = current_app._get_current_object()  # type: ignore[attr-defined]
    Thread(target=ask, args=(app,), name="replica", daemon=True).start()
    return asked


def _opened(stack: ExitStack, replica: Replica, position: str) -> Connection | None:
    with ExitStack() as opening:
        connection = opening.enter_context(db.engines[REPLICA].connect())
        if not _has_replayed(replica, connection.connection, position):
            return None
        view = opening.enter_context(snapshot(connection))
        stack.enter_context(opening.pop_all())
        return view


def _has_replayed(replica: Replica, lent: PoolProxiedConnection, position: str) -> bool:
    """Whether it has, within the time that is worth waiting."""
    for pause in chain(PAUSES, (None,)):
        try:
            found = send(lent, STATE, {"position": position}).fetchone()
        except DatabaseBusy as cause:  # with less than any reader would ask of it
            raise DatabaseAway from cause
        follows, has_replayed = found or (False, False)
        if not follows or has_replayed or pause is None:
            break
        sleep(pause)
    state = (State.OK if has_replayed else State.BEHIND) if follows else State.DETACHED
    replica.is_found(state)
    return state is State.OK


@contextmanager
def _noted(replica: Replica) -> Iterator[None]:
    """Go on after the block where the replica failed in it, with a note of that."""
    try:
        yield
    except (DatabaseAway, PoolTimeout) as cause:
        replica.is_found(State.DOWN, cause.__cause__ or cause)
    except Contended:
        READS.labels("cancelled").inc()  # in favour of what it has to replay


def _present() -> str | None:
    """How far the primary has written; None where it does not tell."""
    try:
        position: str | None = Reading(select(POSITION)).rows({})[0].position
    except (DatabaseAway, DatabaseBusy, PoolTimeout):
        return None
    return position


def _current() -> Replica | None:
    replica: Replica | None = current_app.extensions["replica"]
    return replica
