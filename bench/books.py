"""The books that are measured: seeded once, kept for the next run, brought to the newest schema."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import psycopg
from alembic.config import Config
from alembic.script import ScriptDirectory

from bench.wrk import BenchError

MIGRATE = ("-m", "alembic", "upgrade", "head")
PROJECT = Path(__file__).parents[1]
# Runs add loans; a book that has grown by more than this is made anew.
GROWTH_TOLERATED = 1.2
# What writes a book's lines. How they are loaded changes nothing of them.
LINES = ("book", "ids", "ledger", "life", "score", "words")
CANNOT_MIGRATE = (
    "The book cannot be migrated; the reason stands above.\nTo have it made anew: rm '{marker}'"
)


@dataclass(frozen=True, slots=True)
class Book:
    """How large a book, and the name of its folder."""

    name: str
    customers: int
    loans: int

    @property
    def title(self) -> str:
        return f"{self.loans:,} loans"


# Enough customers that payments seldom meet at one.
YOUNG = Book("young", 300, 1_000)
SMALL = Book("small", 2_000, 20_000)
LARGE = Book("large", 100_000, 1_000_000)
HUGE = Book("huge", 1_000_000, 10_000_000)


def provide(book: Book, marker: Path, environment: Mapping[str, str]) -> None:
    """Keep the book of the last run, migrated if need be, when it still is what this run needs.

    `marker` tells what is in the database. Raises BenchError.
    """
    found = json.loads(marker.read_text()) if marker.exists() else {}
    wanted = {
        "customers": book.customers,
        "loans": book.loans,
        "head": _migration_head(),
        "seeding": lines_digest(),
    }
    is_of_use = found | {"head": wanted["head"]} == wanted and not _has_outgrown(book, environment)
    if not is_of_use:
        marker.unlink(missing_ok=True)
        _make(book, environment)
    elif found != wanted and not _python(MIGRATE, environment):
        # Some take an hour to make, and a migration may be mended.
        raise BenchError(CANNOT_MIGRATE.format(marker=marker))
    marker.write_text(json.dumps(wanted))


def lines_digest() -> str:
    """Of the code that writes the lines: another book may come of other code."""
    sources = [PROJECT / "seeding" / f"{name}.py" for name in LINES]
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _make(book: Book, environment: Mapping[str, str]) -> None:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    seed = ("seed.py", "--customers", str(book.customers), "--loans", str(book.loans))
    for command in (MIGRATE, seed):
        if not _python(command, environment):
            raise BenchError(f"{' '.join(command)} failed; the reason stands above.")


def _python(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether it succeeded."""
    env = {**environment, "APP_ENV": "development"}
    ended = subprocess.run([sys.executable, *command], cwd=PROJECT, env=env, check=False)
    return ended.returncode == 0


def _has_outgrown(book: Book, environment: Mapping[str, str]) -> bool:
    with psycopg.connect(environment["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM loans").fetchone()
    return row is None or row[0] > book.loans * GROWTH_TOLERATED


def _migration_head() -> str:
    return ",".join(ScriptDirectory.from_config(Config(PROJECT / "alembic.ini")).get_heads())
