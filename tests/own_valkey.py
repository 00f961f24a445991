"""A Valkey of a test's own, to be stopped, paused and filled."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from app.local.valkey import Valkey
from tests.servers import claimed_folder

# What the service never keeps: of no length, of another format, of another type.
FOREIGN: tuple[bytes | list[bytes], ...] = (b"", b"null", b'{"cut', b"7" * 99, [b"a", b"list"])


@contextmanager
def own_valkey() -> Iterator[Valkey]:
    with claimed_folder() as folder, Valkey(folder) as server:
        yield server


@contextmanager
def put_right(server: Valkey) -> Iterator[Valkey]:
    """The server, and whatever was done to it undone at the end."""
    try:
        yield server
    finally:
        server.resume()
        if not server.is_running:
            server.start()
        with Redis.from_url(server.url) as redis:
            redis.execute_command("ACL", "SETUSER", "default", "+@all")
            redis.config_set("maxmemory", "128mb")
            redis.config_set("maxmemory-policy", "volatile-lru")
            redis.flushall()


@contextmanager
def full(server: Valkey) -> Iterator[None]:
    """With no room for anything, and nothing given up for it."""
    with Redis.from_url(server.url) as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "1")
        yield
        redis.config_set("maxmemory", "128mb")


def spoil(redis: Redis, value: bytes | list[bytes]) -> None:
    """Put this under every key, in place of what the service kept there."""
    names = redis.keys()
    assert names
    for name in names:
        redis.delete(name)
        redis.rpush(name, *value) if isinstance(value, list) else redis.set(name, value)
