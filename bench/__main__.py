"""`python -m bench [small|large]`: the table on the terminal, and in `.local/bench/last.json`."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from app.config import FRAUD_VARIABLES
from app.local.launcher import stop_on_signals
from app.local.processes import LocalError
from bench import wrk
from bench.argon2 import Verifiers
from bench.calls import CALLS, Server, find_ids
from bench.lender import PROJECT, SIZES, YOUNG, Database, Size, database, serving
from bench.measure import Bench, Target
from bench.people import ensure_users
from bench.pgbench import Pgbench
from bench.table import Row, formatted
from bench.wrk import BenchError

# As little as the service can do: no fraud rule is asked, nothing is cached.
PLAIN = {"CACHE_ENABLED": "false", **{name.upper(): "off" for name in FRAUD_VARIABLES}}
LAST = PROJECT / ".local" / "bench" / "last.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the exit code: 0 whether or not the targets are met."""
    options = _parser().parse_args(arguments)
    size = SIZES[options.size]
    size = replace(size, rounds=options.rounds or size.rounds)
    size = replace(size, seconds=options.seconds or size.seconds)
    stop_on_signals()
    try:
        wrk.must_be_installed()
        rows = _measure(size, options.only)
    except (BenchError, LocalError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    _write(size, rows)
    print(f"\n{formatted(rows)}")
    print(f"\nThe load generator took at most {max(row.load_cores for row in rows):.2f} cores.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("size", nargs="?", choices=SIZES, default="large")
    parser.add_argument("--only", default="", metavar="TEXT", help="calls with TEXT in their name")
    parser.add_argument("--rounds", type=int, help="how often each call is measured")
    parser.add_argument("--seconds", type=int, help="how long, each time")
    return parser


def _measure(size: Size, only: str) -> list[Row]:
    with ExitStack() as stack:
        book = stack.enter_context(database(size))
        young = stack.enter_context(database(YOUNG))
        folder = LAST.parent / size.name
        plain = replace(book, environment={**book.environment, **PLAIN})
        _, password_hash = ensure_users(book.environment)
        bare = serving("bench.bare:app", book.environment, folder / "bare")
        servers: dict[Server, Target] = {"bare": Target(stack.enter_context(bare))}
        books: dict[Server, Database] = {"service": book, "plain": plain, "young": young}
        for name, database_of_its in books.items():
            servers[name] = stack.enter_context(_serving(database_of_its, folder / name))
        alone = {
            "Argon2": stack.enter_context(Verifiers(password_hash)),
            "pgbench": Pgbench.on(book.environment["DATABASE_URL"]),
        }
        bench = Bench(servers, alone, folder)
        return bench.measure(size, [call for call in CALLS if only in call.name])


@contextmanager
def _serving(book: Database, folder: Path) -> Iterator[Target]:
    token, _ = ensure_users(book.environment)
    ids = find_ids(book.environment["DATABASE_URL"])
    with serving("wsgi:app", book.environment, folder) as served:
        yield Target(replace(served, pids=(*served.pids, *book.pids)), token, ids)


def _write(size: Size, rows: Sequence[Row]) -> None:
    report = {
        "size": asdict(size),
        "machine": {"cores": os.cpu_count(), "system": platform.platform()},
        "python": platform.python_version(),
        "worker_class": os.environ.get("GUNICORN_WORKER_CLASS", "as configured"),
        "threads": os.environ.get("GUNICORN_THREADS", "as configured"),
        "calls": {row.name: row.as_json() for row in rows},
    }
    LAST.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
