"""What this process had from Redis, or gave it, moments ago: answered again without asking.

Nothing can be out of date in it, for what is kept under a key never changes; as in Redis, what a
key does not name ends what is kept after a while.
"""

from collections.abc import Callable
from contextlib import suppress
from sys import getsizeof
from threading import Lock
from time import monotonic

from cachetools import TTLCache

SECONDS = 5
MOST_BYTES = 8 * 1024 * 1024


class Near:
    """The values that were asked for last, as many as there is room for. Safe from many threads."""

    def __init__(
        self, most_bytes: int = MOST_BYTES, timer: Callable[[], float] = monotonic
    ) -> None:
        self._values: TTLCache[str, bytes] = TTLCache(most_bytes, SECONDS, timer, getsizeof)
        self._lock = Lock()

    def find(self, name: str) -> bytes | None:
        with self._lock:
            return self._values.get(name)

    def keep(self, name: str, value: bytes) -> None:
        with self._lock, suppress(ValueError):  # from one that is larger than all the room
            self._values[name] = value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
