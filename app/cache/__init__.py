"""Redis, which decides nothing: nothing is wrong without it, only slower.

What is kept under a key never changes, so a key has to name all that its value depends on.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, repeat
from secrets import token_bytes
from time import monotonic, sleep
from typing import Any

from flask import Flask, current_app
from prometheus_client import Counter
from redis import Redis

from app.cache import locks, release
from app.cache.locks import Locks
from app.cache.near import Near
from app.cache.seal import sealed
from app.cache.server import Away, Server
from app.config import Settings

LOOKUPS = Counter("loans_cache_lookups", "Look-ups in the cache.", ("namespace", "outcome"))
# How long one waits for others to compute a value: longer than PostgreSQL lets a statement run.
WAIT_SECONDS = 12
PAUSES = (0.002, 0.005, 0.01, 0.02)

# The value; else whether the lock is the caller's now.
LOCKED = 1
FIND_OR_LOCK = """
local value = redis.call('GET', KEYS[1])
if value then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('PTTL', KEYS[2]) > 0 then return 0 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) -- Each of ours would have had an end.
return 1
"""
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


@dataclass(frozen=True, slots=True)
class Namespace:
    """Values of one kind. `seconds` is how long one is kept, whatever happens."""

    name: str
    seconds: int

    def key(self, *parts: str | bytes) -> "Key":
        """The key of what these parts, in this order, and this release lead to."""
        return Key(self, sha256(repr(parts).encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Key:
    namespace: Namespace
    digest: str

    @property
    def lock(self) -> str:
        return f"{self}:lock"

    @property
    def tag(self) -> str:
        """A name for the value that tells nothing of it."""
        return sha256(str(self).encode()).hexdigest()[:32]

    def __str__(self) -> str:
        return f"loans:{release.digest()}:{self.namespace.name}:{self.digest}"


def init_app(app: Flask, settings: Settings) -> None:
    server = Server(settings)
    app.extensions |= {"cache": server, "cache_locks": Locks(server), "near_cache": Near()}
    release.digest()  # now, as long as the files are those that were imported


def answers() -> bool:
    """Whether Redis answers within its time-out now."""
    return _server().answers()


def is_at_hand(namespace: Namespace) -> bool:
    """Whether a look-up is worth preparing; one that is left out because Redis is away counts."""
    server = _server()
    if server.is_on and not server.is_at_hand:
        _count(namespace, "error")
    return server.is_at_hand


def find(key: Key) -> bytes | None:
    """What is kept under the key."""
    server = _server()
    try:
        kept: Any = server.read(lambda redis: redis.get(str(key)))
        value = None if kept is None else server.opened(str(key), kept)
    except Away:
        _count(key.namespace, "error")
        return None
    _count(key.namespace, "miss" if value is None else "hit")
    return value


def keep(key: Key, value: bytes) -> None:
    """Keep what was computed; Redis may have no room for it."""
    kept = sealed(str(key), value)
    with suppress(Away):
        _server().write(lambda redis: redis.set(str(key), kept, ex=key.namespace.seconds))


def once(key: Key, compute: Callable[[], bytes | None]) -> bytes | None:
    """What is kept under the key, else what `compute` answers, which is kept unless it is None.

    Of many who ask at once, in whatever process, one computes. The others wait for its value, and
    one of them takes over when it fails, or gives no sign for LIFE_SECONDS. A process that knows it
    still does not ask Redis.
    """
    if not _server().is_on:
        return compute()
    near: Near = current_app.extensions["near_cache"]
    value = near.find(str(key))
    if value is not None:
        _count(key.namespace, "hit")
        return value
    value = _far(key, compute)
    if value is not None:
        near.keep(str(key), value)
    return value


def _far(key: Key, compute: Callable[[], bytes | None]) -> bytes | None:
    """The value by Redis."""
    token = token_bytes(16)
    # Nearly always it is there: a plain look takes less than one that would lock.
    value = _kept(key) or _found_or_locked(key, token)
    if value is not None:
        return value
    with _locks().alive(key.lock, token):
        try:
            value = compute()
        finally:
            _settle(key, value, token)
    return value


def _kept(key: Key) -> bytes | None:
    """The value if it is there, counted as a hit; all else is for a second look to tell."""
    server = _server()
    with suppress(Away):
        kept: Any = server.read(lambda redis: redis.get(str(key)))
        if kept is not None:
            value = server.opened(str(key), kept)
            _count(key.namespace, "hit")
            return value
    return None


def _settle(key: Key, value: bytes | None, token: bytes) -> None:
    """Keep the value, if there is one, and give the lock back, in one round trip."""

    def settle(redis: Redis) -> None:
        with redis.pipeline(transaction=False) as pipeline:
            if value is not None:
                pipeline.set(str(key), sealed(str(key), value), ex=key.namespace.seconds)
            pipeline.eval(UNLOCK, 1, key.lock, token)
            pipeline.execute()

    with suppress(Away):
        _server().write(settle, proves_well=value is not None)


def _found_or_locked(key: Key, token: bytes) -> bytes | None:
    """The value, waited for while another computes it; None when it is the caller's to compute.

    That may be without the lock: when Redis is away, and when waiting takes too long.
    """
    server = _server()
    asked = (FIND_OR_LOCK, 2, str(key), key.lock, token, locks.life())
    deadline = monotonic() + WAIT_SECONDS
    for pause in chain(PAUSES, repeat(PAUSES[-1])):
        try:
            found = server.write(lambda redis: redis.eval(*asked), proves_well=False)
            value = server.opened(str(key), found) if isinstance(found, bytes) else None
        except Away:
            _count(key.namespace, "error")
            return None
        if value is not None:
            _count(key.namespace, "hit")
            return value
        if found == LOCKED or monotonic() > deadline:
            break
        sleep(pause)
    _count(key.namespace, "miss")
    return None


def _count(namespace: Namespace, outcome: str) -> None:
    LOOKUPS.labels(namespace.name, outcome).inc()


def _locks() -> Locks:
    held: Locks = current_app.extensions["cache_locks"]
    return held


def _server() -> Server:
    server: Server = current_app.extensions["cache"]
    return server
