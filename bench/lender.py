"""A lender to measure: durable servers, a seeded book that is kept, and two gunicorns."""

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.local.folder import Folder
from app.local.launcher import GUNICORN_SIGNALS
from app.local.postgres import Postgres
from app.local.processes import Child, tail, wait_until
from app.local.server import LOOPBACK, free_port
from app.local.valkey import Valkey
from bench.wrk import BenchError

PROJECT = Path(__file__).parents[1]
WORKERS = "2"
READY_SECONDS = 30
# Runs add loans; a book that has grown by more than this is made anew.
GROWTH_TOLERATED = 1.2


@dataclass(frozen=True, slots=True)
class Size:
    """How large a book, and how long to measure it."""

    name: str
    customers: int
    loans: int
    rounds: int
    seconds: int


SIZES = {
    size.name: size
    for size in (Size("small", 2_000, 20_000, 2, 1), Size("large", 100_000, 1_000_000, 5, 4))
}

# What a large book is compared with; enough customers that payments seldom meet at one.
YOUNG = Size("young", 300, 1_000, 0, 0)


@dataclass(frozen=True, slots=True)
class Served:
    """A server to measure, and the processes that, with their children, work for its answers."""

    url: str
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """The service's environment for the book, and the processes of PostgreSQL and Valkey."""

    environment: Mapping[str, str]
    pids: tuple[int, ...]


@contextmanager
def database(size: Size) -> Iterator[Database]:
    """PostgreSQL, and a Valkey beside it, with the migrated and seeded book."""
    folder = Folder(PROJECT / ".local" / "bench" / size.name)
    with ExitStack() as stack:
        if not stack.enter_context(folder.claimed()):
            raise BenchError(f"The bench is already running (process {folder.claimant}).")
        postgres = stack.enter_context(Postgres(folder, durable=True))
        valkey = stack.enter_context(Valkey(folder))
        environment = {**os.environ, "DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        _provide_book(size, folder.path / "book.json", environment)
        environment |= {
            "APP_ENV": "production",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "RATELIMIT_ENABLED": "false",
            "LOG_LEVEL": "INFO",
            "WEB_CONCURRENCY": WORKERS,
        }
        children = (postgres.child, valkey.child)
        yield Database(environment, tuple(child.pid for child in children if child))


@contextmanager
def serving(target: str, environment: Mapping[str, str], folder: Path) -> Iterator[Served]:
    """`target` under gunicorn with the project's configuration; `folder` is emptied for its log."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, log = free_port(), folder / "log"
    mine = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    with log.open("wb") as output:
        command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", target]
        death = GUNICORN_SIGNALS[-1][0]
        env = {**environment, **mine}
        child = Child(command, death_signal=death, env=env, cwd=PROJECT, output=output)
    try:
        wait_until(lambda: child.poll() is not None or _answers(port), READY_SECONDS)
        if child.poll() is not None or not _answers(port):
            raise BenchError(f"gunicorn does not serve {target}:\n{tail(log)}")
        yield Served(f"http://{LOOPBACK}:{port}", (child.pid,))
    finally:
        child.end(*GUNICORN_SIGNALS)


def _provide_book(size: Size, marker: Path, environment: Mapping[str, str]) -> None:
    """Keep the book of the last run when it still is what this one needs."""
    wanted = {
        "customers": size.customers,
        "loans": size.loans,
        "head": _migration_head(),
        "seeding": _seeding_digest(),
    }
    found = json.loads(marker.read_text()) if marker.exists() else None
    if found == wanted and _has_not_outgrown(size, environment["DATABASE_URL"]):
        return
    marker.unlink(missing_ok=True)
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    book = ["--customers", str(size.customers), "--loans", str(size.loans)]
    for step in (["-m", "alembic", "upgrade", "head"], ["seed.py", *book]):
        made = {**environment, "APP_ENV": "development"}
        ended = subprocess.run([sys.executable, *step], cwd=PROJECT, env=made, check=False)
        if ended.returncode != 0:
            raise BenchError(f"{' '.join(step)} failed; the reason stands above.")
    # Or PostgreSQL would do so by itself, on a core of the measurement's.
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    marker.write_text(json.dumps(wanted))


def _has_not_outgrown(size: Size, url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM loans").fetchone()
    return row is not None and row[0] <= size.loans * GROWTH_TOLERATED


def _seeding_digest() -> str:
    """Of the code that makes the book: another book may come of it."""
    sources = sorted((PROJECT / "seeding").glob("*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _migration_head() -> str:
    return ",".join(ScriptDirectory.from_config(Config(PROJECT / "alembic.ini")).get_heads())


def _answers(port: int) -> bool:
    client = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    with closing(client), suppress(OSError, http.client.HTTPException):
        client.request("GET", "/")
        return client.getresponse().status == 200
    return False
