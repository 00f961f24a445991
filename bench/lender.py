"""A lender to measure: durable servers with a book each, and gunicorns before them."""

import http.client
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.local.folder import Folder
from app.local.launcher import GUNICORN_SIGNALS, WORKER, WORKER_SIGNALS
from app.local.postgres import Postgres
from app.local.processes import Child, tail, wait_until
from app.local.server import LOOPBACK, free_port
from app.local.valkey import Valkey
from bench.books import PROJECT, Book, provide
from bench.ids import Ids, find_ids
from bench.people import ensure_users
from bench.servers import Server
from bench.wrk import BenchError

BENCH = PROJECT / ".local" / "bench"
READY_SECONDS = 60
WORKERS = "2"
LIKE_PRODUCTION = {
    "APP_ENV": "production",
    "SECRET_KEY": secrets.token_urlsafe(48),
    # Counted as ever, and reached by nobody.
    **dict.fromkeys(("RATELIMIT_ADDRESS", "RATELIMIT_CALLER"), "100000000/minute"),
    "RATELIMIT_LOGIN": "100000000/minute",
    "LOG_LEVEL": "INFO",
    "WEB_CONCURRENCY": WORKERS,
    "ACCESS_TOKEN_MINUTES": "1440",  # a bench may take longer than a token is good for
}


@dataclass(frozen=True, slots=True)
class Database:
    """The service's environment for a book, and the processes of PostgreSQL and Valkey.

    An admin's token there, the hash of all its users' password, and what requests refer to.
    """

    environment: Mapping[str, str]
    pids: tuple[int, ...]
    token: str
    password_hash: str
    ids: Ids


@dataclass(frozen=True, slots=True)
class Served:
    """A server to measure, and the processes that, with their children, work for its answers."""

    url: str
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Launched:
    """A gunicorn that may not be ready yet."""

    port: int
    log: Path
    child: Child

    def ready(self) -> Served:
        """Wait until it answers. Raises BenchError, with the end of its log."""
        wait_until(lambda: self.child.poll() is not None or _answers(self.port), READY_SECONDS)
        if self.child.poll() is not None or not _answers(self.port):
            raise BenchError(f"gunicorn does not serve:\n{tail(self.log)}")
        return Served(f"http://{LOOPBACK}:{self.port}", (self.child.pid,))


@contextmanager
def databases(books: Sequence[Book]) -> Iterator[list[Database]]:
    """A PostgreSQL for each book, which is made or migrated where need be, and a Valkey each."""
    with ExitStack() as stack:
        servers = [_servers(stack, Folder(BENCH / book.name)) for book in books]
        environments = [
            {**os.environ, "DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
            for postgres, valkey in servers
        ]
        for book, environment in zip(books, environments, strict=True):
            provide(book, BENCH / book.name / "book.json", environment)
        yield [
            _in_order({**environment, **LIKE_PRODUCTION}, children)
            for environment, children in zip(environments, servers, strict=True)
        ]


@contextmanager
def launched(server: Server, environment: Mapping[str, str], folder: Path) -> Iterator[Launched]:
    """Gunicorn with the project's configuration; `folder` is emptied for its log."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    mine = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    with log.open("wb") as output:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", server.app]
        death = GUNICORN_SIGNALS[-1][0]
        env = {**environment, **server.settings, **mine}
        child = Child(command, death_signal=death, env=env, cwd=PROJECT, output=output)
    try:
        yield Launched(port, log, child)
    finally:
        child.end(*GUNICORN_SIGNALS)


@contextmanager
def worker(environment: Mapping[str, str], folder: Path) -> Iterator[Child]:
    """Celery's worker, as `make run` starts it; `folder` is emptied for its log."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "celery", *WORKER]
    with (folder / "log").open("wb") as output:
        death = WORKER_SIGNALS[-1][0]
        child = Child(command, death_signal=death, env=environment, cwd=PROJECT, output=output)
    try:
        yield child
    finally:
        child.end(*WORKER_SIGNALS)


def _servers(stack: ExitStack, folder: Folder) -> tuple[Postgres, Valkey]:
    if not stack.enter_context(folder.claimed()):
        raise BenchError(f"The bench is already running (process {folder.claimant}).")
    postgres = stack.enter_context(Postgres(folder, durable=True))
    return postgres, stack.enter_context(Valkey(folder))


def _in_order(environment: Mapping[str, str], servers: tuple[Postgres, Valkey]) -> Database:
    """With the bench's users, and after what former runs left."""
    token, password_hash = ensure_users(environment)
    return Database(
        environment=environment,
        pids=tuple(server.child.pid for server in servers if server.child),
        token=token,
        password_hash=password_hash,
        ids=find_ids(environment["DATABASE_URL"]),
    )


def _answers(port: int) -> bool:
    client = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    with closing(client), suppress(OSError, http.client.HTTPException):
        client.request("GET", "/")
        return client.getresponse().status == 200
    return False
