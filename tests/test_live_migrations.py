"""Migrations of a large book that is in use: its writers see no error, and wait little.

LIVE_LOANS says how large, of which a tenth are customers. The ledger's own migration, which counts
what had been lent and says so, comes before.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from threading import Event
from time import monotonic
from typing import Any

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from uuid_utils.compat import uuid7

from app.errors import DatabaseBusy
from app.local.processes import wait_until
from tests import searching
from tests.conftest import migrate
from tests.figures import report
from tests.servers import TestServers
from tests.tallying import differences
from tests.test_migrations import FLAG, MOVEMENT, PERSON

LOANS = int(os.environ.get("LIVE_LOANS", "3000"))
CUSTOMERS = LOANS // 10
WRITERS = 4
DEEDS_BETWEEN = 20
PATIENCE = 60
# As long as the service waits by itself, which is a little longer than a migration does.
LOCK_TIMEOUT = "3s"
FORMER = "0005"
LENDING = """
INSERT INTO customers (id, external_id, status, created_by, version, created_at, updated_at)
SELECT md5('c' || n)::uuid, 'c' || n, 'ACTIVE', md5('clerk')::uuid, 1, now(), now()
FROM generate_series(1, {customers}) AS n;
INSERT INTO loans (id, customer_id, amount, term_months, purpose, income, expenses, risk_score,
    status, outstanding, taken_at, created_by, version, created_at, updated_at)
SELECT md5('l' || n)::uuid, md5('c' || n % {customers} + 1)::uuid, 100, 12, 'a van', 0, 0, 0,
    CASE WHEN is_lent THEN 'ACTIVE' ELSE 'PENDING' END, CASE WHEN is_lent THEN 60 ELSE 0 END,
    CASE WHEN is_lent THEN now() END, md5('clerk')::uuid, 1, now(), now()
FROM generate_series(1, {loans}) AS n, LATERAL (SELECT n > {loans} / 2) AS of (is_lent)
"""
LOCKING = "SELECT FROM customers WHERE id = %(customer)s FOR UPDATE"
APPLYING = """
INSERT INTO loans (id, customer_id, amount, term_months, purpose, income, expenses, risk_score,
    status, outstanding, created_by, version, created_at, updated_at)
VALUES (%(id)s, %(customer)s, 100, 12, 'a van', 0, 0, 0, 'PENDING', 0, %(by)s, 1, now(), now())
"""
EDITING = "UPDATE loans SET income = income + 1, version = version + 1 WHERE id = %(loan)s"
MOVING = "UPDATE customers SET phone = %(phone)s, updated_at = now() WHERE id = %(customer)s"
LARGE = {"tables": ["customers", "loans", "entries", "journal"]}
# Some of it may be of transactions before, which PostgreSQL has yet to add to its statistics.
ROWS_READ = """
SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_xact_user_tables
WHERE relname = ANY(%(tables)s)
"""
KEPT_OUT_OF = """
SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
WHERE pid = pg_backend_pid() AND granted AND relname = ANY(%(tables)s)
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


def revisions() -> list[str]:
    """Those after FORMER, the oldest first."""
    script = ScriptDirectory.from_config(Config("alembic.ini"))
    found = [each.revision for each in script.iterate_revisions("head", FORMER)]
    return found[::-1]


@dataclass
class Writers:
    """Who applies, edits, deposits and changes customers, as any release since FORMER does it."""

    url: str
    seconds: list[float] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)
    _enough: Event = field(default_factory=Event)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends. Raises what any of them met with."""
        with ThreadPoolExecutor(WRITERS) as pool:
            writers = [pool.submit(self._work, Random(number)) for number in range(WRITERS)]
            try:
                yield
            finally:
                self._enough.set()
            for writer in writers:
                writer.result()

    def await_deeds(self) -> None:
        """Return when some more are done."""
        enough = len(self.seconds) + DEEDS_BETWEEN
        assert wait_until(lambda: len(self.seconds) >= enough or self._enough.is_set(), PATIENCE)

    def _work(self, random: Random) -> None:
        options = f"-c lock_timeout={LOCK_TIMEOUT}"
        with psycopg.connect(self.url, options=options, autocommit=True) as connection:
            while not self._enough.is_set():
                began = monotonic()
                try:
                    self._do(connection, random)
                except psycopg.Error:
                    self._enough.set()
                    raise
                self.seconds.append(monotonic() - began)

    def _do(self, connection: psycopg.Connection, random: Random) -> None:
        number, customer = next(self._numbers), f"md5('c{random.randint(1, CUSTOMERS)}')::uuid"
        (customer,) = connection.execute(f"SELECT {customer}").fetchone()
        made = {"id": uuid7(), "customer": customer, "by": customer, "journal": uuid7()}
        with connection.transaction():
            connection.execute(LOCKING, made)
            connection.execute(MOVING, {**made, "phone": f"+1 {number}"})
            connection.execute(APPLYING, made)
            connection.execute(EDITING, {"loan": made["id"]})
            connection.execute(FLAG, {"id": uuid7(), "loan": made["id"]})
            connection.execute(MOVEMENT, made)
        connection.execute(PERSON, {"names": [f"new{number}"]})


@pytest.fixture(scope="module")
def former(servers: TestServers, worker_number: int) -> Iterator[str]:
    """The name of a database with a book of the release of FORMER."""
    name = f"former_{worker_number}_test"
    url = servers.create_database(name)
    migrate(url, "0004")
    with psycopg.connect(url) as connection:
        connection.execute(LENDING.format(loans=LOANS, customers=CUSTOMERS))
    migrate(url, FORMER)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    yield name
    servers.drop_database(name)


@pytest.fixture
def url(servers: TestServers, former: str, worker_number: int) -> Iterator[str]:
    """A copy of that book."""
    name = f"live_{worker_number}_test"
    yield servers.create_database(name, template=former)
    servers.drop_database(name)


def test_writers_go_on_while_each_migration_runs(url: str) -> None:
    writers, longest = Writers(url), {}
    with writers.running():
        for revision in revisions():
            writers.await_deeds()
            before = len(writers.seconds)
            migrate(url, revision)
            writers.await_deeds()
            longest[revision] = round(max(writers.seconds[before:]), 2)
    report(
        "migrated while in use",
        loans=LOANS,
        deeds=len(writers.seconds),
        **{"longest deed meanwhile, s": longest},
    )
    with psycopg.connect(url) as connection:
        assert differences(connection) == []
        assert searching.differences(connection) == []


def test_a_migration_that_has_to_wait_gives_up_before_those_behind_it_do(url: str) -> None:
    writers, lives = Writers(url), f"-c idle_in_transaction_session_timeout={PATIENCE // 2}s"
    with psycopg.connect(url, options=lives) as long, writers.running():
        long.execute("LOCK TABLE loans IN ROW EXCLUSIVE MODE")
        with pytest.raises(DatabaseBusy):
            migrate(url, "0006")
        writers.await_deeds()
        long.rollback()
        migrate(url, "0006")
        writers.await_deeds()


@dataclass
class Watch:
    """The statements of migrations after which writers are kept out, with the rows read by then."""

    found: list[tuple[str, list[str], int]] = field(default_factory=list)
    _read_before: int = 0

    def begin(self, connection: Connection) -> None:
        self._read_before = self._ask(connection, ROWS_READ)[0][0]

    def look(self, connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        tables = [name for (name,) in self._ask(connection, KEPT_OUT_OF)]
        if tables:
            read = self._ask(connection, ROWS_READ)[0][0] - self._read_before
            self.found.append((statement, tables, read))

    def _ask(self, connection: Connection, question: str) -> list[Any]:
        with connection.connection.cursor() as cursor:
            return cursor.execute(question, LARGE).fetchall()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Of every migration from now on."""
    watch = Watch()
    listeners = {"begin": watch.begin, "after_cursor_execute": watch.look}
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    yield watch
    for name, listener in listeners.items():
        event.remove(Engine, name, listener)


def test_no_large_table_is_read_under_a_lock_that_keeps_writers_out(url: str, watch: Watch) -> None:
    migrate(url)
    assert watch.found
    assert [each for each in watch.found if each[-1] > CUSTOMERS / 2] == []
