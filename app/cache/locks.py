"""The locks this process holds: each lasts while its value is computed, and little longer."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Thread
from time import sleep

from redis import Redis

from app.cache.server import Away, Server

# How long a lock is there without a sign of its holder: who died, or lost sight of Redis, or was
# never told of a lock that it was given.
LIFE_SECONDS = 1.0
BEATS = 4  # signs in that time

PROLONG = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"
)


class Locks:
    """Prolongs them in one thread, which is there only while something is computed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._guard = Lock()
        self._names: dict[bytes, str] = {}
        self._thread: Thread | None = None

    @contextmanager
    def alive(self, name: str, token: bytes) -> Iterator[None]:
        """Let the lock live during the block, if it is this token's."""
        with self._guard:
            self._names[token] = name
            # One that was started before a fork is not alive after it.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._beat, name="cache-locks", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._guard:
                del self._names[token]

    def _beat(self) -> None:
        while True:
            sleep(LIFE_SECONDS / BEATS)
            with self._guard:
                names = dict(self._names)
                if not names:
                    self._thread = None
                    return
            with suppress(Away):
                self._prolong(names)

    def _prolong(self, names: dict[bytes, str]) -> None:
        def prolong(redis: Redis) -> None:
            with redis.pipeline(transaction=False) as pipeline:
                for token, name in names.items():
                    pipeline.eval(PROLONG, 1, name, token, life())
                pipeline.execute()

        self._server.write(prolong, proves_well=False)


def life() -> int:
    """LIFE_SECONDS as Redis takes it: in milliseconds."""
    return int(LIFE_SECONDS * 1000)
