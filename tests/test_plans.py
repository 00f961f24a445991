"""What is asked of a large book is found by its indexes: no plan reads a large table through.

PLANNED_LOANS says how large, of which a tenth are customers.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask

from app import config, create_app
from app.connections import PLANNING
from tests.attacks import Route, query
from tests.attacks import routes as all_routes
from tests.conftest import disconnect, migrate, quiet
from tests.figures import report
from tests.filters import LISTED, LISTS
from tests.lists import Book, cursor_to
from tests.servers import TestServers

LOANS = int(os.environ.get("PLANNED_LOANS", "10000"))
# Of a book's tables; the others have hardly a page.
LARGE = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= %(least)s
"""
SHARE = 20
PARAMETER = re.compile(r"%\((\w+)\)s")
READ = [
    route
    for route in all_routes()
    if route.method == "GET"
    and route.contract.credential.name == "REQUIRED"
    and not route.contract.streams  # which is to read all of a table
]
DAYS = {"from": "2026-01-15", "to": "2026-03-03"}

# A statement, its values, and whether PostgreSQL may keep a plan for any values.
Asked = tuple[str, dict[str, Any], bool]


@pytest.fixture(scope="module")
def large(
    servers: TestServers, environ: dict[str, str], worker_number: int
) -> Iterator[tuple[Flask, Book]]:
    """A service on a book of LOANS loans, and some records in it to ask for."""
    name = f"plans_{worker_number}_test"
    url = servers.create_database(name)
    migrate(url)
    env = {**os.environ, **environ, "DATABASE_URL": url, "APP_ENV": "development"}
    size = ("--customers", str(LOANS // 10), "--loans", str(LOANS))
    subprocess.run([sys.executable, "seed.py", *size], env=env, check=True, capture_output=True)
    app = quiet(create_app(config.load({**environ, "DATABASE_URL": url, "CACHE_ENABLED": "off"})))
    book = Book(app, is_spread=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    yield app, book
    disconnect(app)
    servers.drop_database(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """The SELECTs that reach the driver from now on, with their values."""
    statements: list[Asked] = []
    send = psycopg.Cursor.execute

    def noting(cursor: Any, statement: Any, values: Any = None, **options: Any) -> Any:
        if isinstance(statement, str) and statement.lstrip().upper().startswith(("SELECT", "WITH")):
            may_be_kept = options.get("prepare") is not False
            statements.append((statement, dict(values or {}), may_be_kept))
        return send(cursor, statement, values, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", noting)
    return statements


@pytest.fixture
def read_through(large: tuple[Flask, Book]) -> Iterator[Callable[[list[Asked]], list[str]]]:
    """The large tables that a plan of any of the statements reads through, with the statement."""
    app, _ = large
    url = app.extensions["settings"].database_url
    options = " ".join(f"-c {name}={value}" for name, value in PLANNING.items())
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        large_tables = {name for (name,) in connection.execute(LARGE, {"least": LOANS // SHARE})}
        assert {"loans", "customers", "entries"} <= large_tables

        def found(statements: list[Asked]) -> list[str]:
            return [
                f"{table}: {statement}"
                for statement, values, may_be_kept in statements
                for plan in _plans(connection, statement, values, may_be_kept)
                for table in sorted(_scanned(plan) & large_tables)
            ]

        yield found


def _plans(
    connection: psycopg.Connection, statement: str, values: Any, may_be_kept: bool
) -> Iterator[Any]:
    """The plan for these values, and the one that is kept for any, if it may be."""
    yield _plan(connection.execute(f"EXPLAIN (FORMAT JSON) {statement}", values))
    if not may_be_kept:
        return
    numbers: dict[str, int] = {}

    def numbered(name: re.Match[str]) -> str:
        number = numbers.setdefault(name[1], len(numbers) + 1)
        return f"${number}{'::interval' * isinstance(values[name[1]], timedelta)}"

    kept = PARAMETER.sub(numbered, statement)
    if connection.info.server_version >= 160_000:
        unprepared = psycopg.ClientCursor(connection)
        yield _plan(unprepared.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {kept}"))


def _plan(cursor: psycopg.Cursor[Any]) -> Any:
    (row,) = cursor.fetchall()
    return row[0]


def _scanned(plan: Any) -> set[str]:
    """The tables that any step of it reads from the first row to the last."""
    if isinstance(plan, list):
        return {table for each in plan for table in _scanned(each)}
    if not isinstance(plan, dict):
        return set()
    found = {table for each in plan.values() for table in _scanned(each)}
    return found | ({plan["Relation Name"]} if plan.get("Node Type") == "Seq Scan" else set())


def each(wanted: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", wanted, ids=str)


def test_a_table_that_is_read_through_is_seen(
    read_through: Callable[[list[Asked]], list[str]],
) -> None:
    assert read_through([("SELECT max(purpose) FROM loans", {}, True)])
    one = {"id": uuid4()}
    assert read_through([("SELECT amount FROM loans WHERE id = %(id)s", one, True)]) == []


@each(LISTS)
def test_no_list_reads_a_large_table_through(
    large: tuple[Flask, Book],
    asked: list[Asked],
    read_through: Callable[[list[Asked]], list[str]],
    route: Route,
) -> None:
    _, book = large
    questions = [{}, *LISTED[route.rule.endpoint].questions(book)]
    for caller in (book.admin, book.applicant):
        for question in questions:
            first = book.send(route, caller=caller, query_string=query(page_size=1, **question))
            if "next" in first.headers.get("Link", ""):
                cursor = {"page": 2, "cursor": cursor_to("next", first)}
                for place in (cursor, {"page": LOANS // 40}):
                    told = query(page_size=1, **place, **question)
                    book.send(route, caller=caller, query_string=told)
    assert len(asked) >= len(questions)
    assert read_through(asked) == []
    report("Lists read no large table through", loans=LOANS)


@each([route for route in READ if route not in LISTS])
def test_nothing_else_that_is_read_does(
    large: tuple[Flask, Book],
    asked: list[Asked],
    read_through: Callable[[list[Asked]], list[str]],
    route: Route,
) -> None:
    _, book = large
    days = query(**DAYS) if "from" in route.query_fields else ""
    for question in ("", days):
        assert book.send(route, query_string=question).status_code == 200
    assert asked
    assert read_through(asked) == []


@pytest.mark.parametrize("q", ["a", "an", "ann", "anna", "0175", "@", "nobody has this", "é%_"])
def test_no_search_does(
    large: tuple[Flask, Book],
    asked: list[Asked],
    read_through: Callable[[list[Asked]], list[str]],
    q: str,
) -> None:
    _, book = large
    for status in ({}, {"status": "INACTIVE"}):
        assert book.admin.get(f"/customers/?{query(q=q, **status)}").status_code == 200
    assert asked
    assert read_through(asked) == []


def test_no_application_does(
    large: tuple[Flask, Book],
    asked: list[Asked],
    read_through: Callable[[list[Asked]], list[str]],
) -> None:
    _, book = large
    phone, email = "+49 30 1234567", "anna@firm.example"
    customer = book.admin.make_customer(external_id="planned", phone=phone, email=email)
    asked.clear()
    book.admin.make_loan(customer)
    assert any("others_with_phone" in statement for statement, *_ in asked)
    assert read_through(asked) == []
