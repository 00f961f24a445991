"""`python seed.py`: data for an empty database, a demo or, with `--loans`, a book of any size.

The same seed and day give the same data, but for the salt in the password hashes.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, time
from pathlib import Path

import psycopg
from dotenv import dotenv_values

DOTENV = Path(__file__).parent / ".env"
TABLES = ("users", "customers", "loans")
NOT_EMPTY = "The database is not empty. Seed a new one, or pass --if-empty to leave this one alone."
NO_TABLES = "The database has no tables yet. Make them first: python -m alembic upgrade head"
PRODUCTION = (
    "This is production, and the seed adds users with public passwords. Not without --force."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the exit code; SystemExit, with the reason, when nothing may be done."""
    options = _parser().parse_args(arguments)
    environment = _environment()
    if environment.get("APP_ENV") == "production" and not options.force:
        raise SystemExit(PRODUCTION)
    if not _is_empty(environment):
        if options.if_empty:
            return 0
        raise SystemExit(NOT_EMPTY)
    _fill(options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seed.py", description=__doc__)
    parser.add_argument("--if-empty", action="store_true", help="do nothing when there are data")
    parser.add_argument("--force", action="store_true", help="even in production")
    parser.add_argument("--seed", type=int, default=1, metavar="NUMBER", help="other numbers")
    parser.add_argument(
        "--until",
        type=_midnight,
        default=datetime.combine(datetime.now(UTC), time.min, UTC),
        metavar="YYYY-MM-DD",
        help="the data end before this day (UTC); today",
    )
    book = parser.add_argument_group("a large book instead of the demo")
    book.add_argument("--customers", type=_count, metavar="N", help="a tenth of the loans")
    book.add_argument("--loans", type=_count, metavar="M", help="ten times the customers")
    return parser


def _environment() -> Mapping[str, str]:
    """As the service reads it. Without importing the service, which takes most of a second."""
    from_file = {name: value or "" for name, value in dotenv_values(DOTENV).items()}
    return {**from_file, **os.environ}


def _is_empty(environment: Mapping[str, str]) -> bool:
    url = environment.get("DATABASE_URL", "").replace("+psycopg:", ":", 1)
    if not url:
        raise SystemExit("DATABASE_URL names no database. `make seed` sees to that itself.")
    some = " OR ".join(f"EXISTS (SELECT FROM {table})" for table in TABLES)
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute(f"SELECT NOT ({some})").fetchone() == (True,)
    except psycopg.errors.UndefinedTable:
        raise SystemExit(NO_TABLES) from None
    except psycopg.OperationalError as error:
        raise SystemExit(f"The database does not answer: {error}") from None


def _fill(options: argparse.Namespace) -> None:
    from app import create_app
    from app.db import db
    from seeding import demo, load
    from seeding.book import Book
    from seeding.people import STAFF

    with create_app().app_context(), ExitStack() as stack:
        stack.callback(db.engine.dispose)
        if options.customers or options.loans:
            loans = options.loans or options.customers * 10
            customers = options.customers or max(1, options.loans // 10)
            load.load(Book(customers, loans, options.seed, options.until))
        else:
            demo.load(options.seed, options.until)
    for employee in STAFF:
        print(f"{employee.role:8} {employee.email} / {employee.password}")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _midnight(text: str) -> datetime:
    return datetime.combine(datetime.fromisoformat(text), time.min, UTC)


if __name__ == "__main__":
    sys.exit(main())
