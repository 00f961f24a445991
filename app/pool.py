"""The pool of connections, measured: how many there may be, how many are lent, who had to wait."""

import logging
from time import perf_counter
from typing import Any, cast

from prometheus_client import Counter, Gauge, Summary
from sqlalchemy import QueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import Empty, Queue

# SQLAlchemy logs by a class's module, and at INFO each time that a process lets go of its pool.
logging.getLogger(__name__).setLevel(logging.WARNING)

SIZE = Gauge(
    "loans_database_pool_size",
    "Connections to PostgreSQL that all worker processes may have, to the primary or a replica.",
    ("pool",),
    multiprocess_mode="livesum",
)
IN_USE = Gauge(
    "loans_database_pool_in_use",
    "Connections to PostgreSQL that are lent to a request, or to work beside requests.",
    ("pool",),
    multiprocess_mode="livesum",
)
WAITED = Summary(
    "loans_database_pool_wait_seconds",
    "Waits for a connection while all of a process were lent.",
    ("pool",),
)
TIMEOUTS = Counter(
    "loans_database_pool_timeouts",
    "Waits for a connection that took too long, and were given up.",
    ("pool",),
)


class _Waited(Queue[ConnectionPoolEntry]):
    """Measures who finds it empty, and may wait; all others it costs a look."""

    waited: Summary
    timeouts: Counter

    def measure(self, pool: str | None) -> None:
        """Under the name of the pool whose connections are in it."""
        self.waited, self.timeouts = WAITED.labels(pool), TIMEOUTS.labels(pool)

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:
        if not block or self.qsize():
            return super().get(block, timeout)
        began_at = perf_counter()
        try:
            return super().get(block, timeout)
        except Empty:
            self.timeouts.inc()
            raise
        finally:
            self.waited.observe(perf_counter() - began_at)


class MeasuredPool(QueuePool):
    """SQLAlchemy's, with figures under its name; it may be asked for what it has lent already."""

    _queue_class = _Waited

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._lent: set[ConnectionPoolEntry] = set()
        cast(_Waited, self._pool).measure(self.logging_name)
        self._in_use = IN_USE.labels(self.logging_name)
        SIZE.labels(self.logging_name).set(self.size())

    def wait_at_most(self, seconds: float) -> None:
        """For a connection; on the way here Flask-SQLAlchemy drops all but the whole seconds."""
        self._timeout = seconds

    def _do_get(self) -> ConnectionPoolEntry:
        entry = super()._do_get()
        if entry not in self._lent:
            self._lent.add(entry)
            self._in_use.inc()
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if record in self._lent:
            self._lent.discard(record)
            self._in_use.dec()
        super()._do_return_conn(record)
