"""The servers of a test run: fresh, on folders of their own, gone with the process."""

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from app.local.folder import Folder
from app.local.postgres import Postgres
from app.local.processes import wait_until
from app.local.server import LOOPBACK
from app.local.valkey import Valkey

LOCAL = Path(__file__).parents[1] / ".local"
SUFFIX = "_test"
LAST_WRITES_SECONDS = 10


@dataclass(frozen=True)
class TestServers:
    """Where the tests find their servers; the handles are None for servers named from outside."""

    __test__ = False  # not a test class, whatever its name begins with

    database_url: str
    redis_url: str
    postgres: Postgres | None
    valkey: Valkey | None

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """The URL of a new database, empty or a copy of `template`; a former one is dropped."""
        require_test_name(name)
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self.drop_database(name)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement)
        base, _, options = self.database_url.partition("?")
        return f"{base.rsplit('/', 1)[0]}/{name}" + (f"?{options}" if options else "")

    def drop_database(self, name: str) -> None:
        """Drop it with whoever is connected to it; one that is not there is no error."""
        require_test_name(name)
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement)


def require_test_name(name: str) -> None:
    """Refuse a database that does not say it is for tests: it will be emptied."""
    if not name.endswith(SUFFIX):
        raise ValueError(f"a test database's name ends in {SUFFIX}: {name!r}")


@contextmanager
def start_test_servers() -> Iterator[TestServers]:
    """Servers for one test run; TEST_DATABASE_URL and TEST_REDIS_URL name others instead."""
    with ExitStack() as stack:
        database_url = os.environ.get("TEST_DATABASE_URL", "")
        redis_url = os.environ.get("TEST_REDIS_URL", "")
        postgres = valkey = None
        if not (database_url and redis_url):
            folder = stack.enter_context(claimed_folder())
            if not database_url:
                postgres = stack.enter_context(Postgres(folder, durable=False))
            if not redis_url:
                valkey = stack.enter_context(Valkey(folder))
        yield TestServers(
            database_url=postgres.url if postgres else database_url,
            redis_url=valkey.url if valkey else redis_url,
            postgres=postgres,
            valkey=valkey,
        )


@contextmanager
def claimed_folder() -> Iterator[Folder]:
    """A fresh one, for servers.

    Call it from the main thread, for the servers end with the thread that started them.
    """
    with fresh_folder() as path:
        folder = Folder(path)
        with folder.claimed():
            yield folder


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """A folder below `.local/` that is removed at the end, or at the next run's start."""
    LOCAL.mkdir(mode=0o755, exist_ok=True)
    for left_over in LOCAL.glob("test-*"):
        _remove_unless_held(left_over)
    path = Path(tempfile.mkdtemp(prefix="test-", dir=LOCAL))
    path.chmod(0o755)
    with (path / "held.new").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (path / "held.new").rename(path / "held")  # locked before anyone can see it
        try:
            yield path
        finally:
            wait_until(lambda: _is_removed(path), LAST_WRITES_SECONDS)


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_removed(folder: Path) -> bool:
    """Whether it could be removed; a process that is just ending may still write into it."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _remove_unless_held(folder: Path) -> None:
    """Remove what a killed test run left."""
    try:
        with (folder / "held").open() as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except (FileNotFoundError, BlockingIOError):
        return
