"""Counts that processes keep each for itself, and bring together in Redis every second.

Counting asks Redis nothing: a count may lack what other processes have counted since they last
told. With Redis away each goes on by itself.
"""

from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from time import sleep, time

from redis import Redis

from app.cache.server import Away, Server

PAUSE_SECONDS = 1.0
# Of more at once each begins anew: who has as many names is not held by what is counted of one.
MOST = 100_000


@dataclass(slots=True)
class _Count:
    """Of one window: `mine` is what the others have not been told, `told` what all had then."""

    window: int
    seconds: int
    mine: int = 0
    told: int = 0


class Counts:
    """Safe to use from many threads; one more is there while there is something to tell."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server
        self._name = name
        self._guard = Lock()
        self._counts: dict[str, _Count] = {}
        self._thread: Thread | None = None

    def add(self, name: str, seconds: int) -> tuple[int, float]:
        """One more in the window that is open: how many there are, and until when it is."""
        window = int(time() // seconds)
        with self._guard:
            count = self._counts.get(name)
            if count is None or count.window != window:
                count = self._begin(name, window, seconds)
            count.mine += 1
            return count.told + count.mine, float((window + 1) * seconds)

    def tell(self) -> bool:
        """Tell what has been counted, and learn what others have; whether anything is left."""
        with self._guard:
            self._forget(time())
            due = {name: (each, each.mine) for name, each in self._counts.items() if each.mine}
        with suppress(Away):
            totals = self._server.write(lambda redis: self._exchange(redis, due))
            with self._guard:
                for (count, told), total in zip(due.values(), totals, strict=True):
                    count.mine -= told
                    count.told = total
        return bool(self._counts)

    def _begin(self, name: str, window: int, seconds: int) -> _Count:
        if len(self._counts) >= MOST:
            self._counts.clear()
        count = self._counts[name] = _Count(window, seconds)
        # One that was started before a fork is not alive after it.
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._go_on, name="counts", daemon=True)
            self._thread.start()
        return count

    def _go_on(self) -> None:
        while True:
            sleep(PAUSE_SECONDS)
            if not self.tell():
                with self._guard:
                    if not self._counts:
                        self._thread = None
                        return

    def _forget(self, at: float) -> None:
        over = [name for name, each in self._counts.items() if each.window < at // each.seconds]
        for name in over:
            del self._counts[name]

    def _exchange(self, redis: Redis, due: dict[str, tuple[_Count, int]]) -> list[int]:
        """All counts after those that are due were added."""
        with redis.pipeline(transaction=False) as pipeline:
            for name, (count, told) in due.items():
                key = f"loans:{self._name}:{name}:{count.window}"
                pipeline.incrby(key, told)
                pipeline.expire(key, 2 * count.seconds)
            return [int(each) for each in pipeline.execute()[::2]]
