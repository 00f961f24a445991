"""A durable PostgreSQL of a test's own, to be restarted at any moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.local.postgres import Postgres
from tests.servers import TestServers, claimed_folder


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    with claimed_folder() as folder, Postgres(folder) as server:
        yield server


def new_database(server: Postgres, name: str) -> str:
    """The URL of a new, empty database there."""
    return TestServers(server.url, "", server, None).create_database(name)
