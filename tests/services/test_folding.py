"""Who folds and when, and counting anew what went round the triggers."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import errors

from app import config, create_app
from app.errors import DatabaseAway
from app.local.processes import wait_until
from app.services import tallies
from tests.conftest import disconnect
from tests.factories import Caller
from tests.serving import served
from tests.tallying import changes, differences, fold, make_book

Connection = psycopg.Connection[Any]
PATIENCE = 30
NEVER, SOON = 3600.0, 0.01
TALLIED = ("loans", "customers", "payments", "audit_events", "fraud_flags")
SPOIL = """
UPDATE loans SET amount = amount + 7, open_flags = 5;
DELETE FROM customers WHERE first_name = 'Joe';
UPDATE tallies SET number = 3;
UPDATE tally_changes SET amount = 1
"""
FLAG = """
INSERT INTO fraud_flags (id, loan_id, rule, reason, severity, evidence, created_at)
VALUES (gen_random_uuid(), %s, 'manual', 'odd', 'low', '{}', now())
"""
OPEN_FLAGS = "SELECT open_flags FROM loans WHERE id = %s"
WAITING = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


@pytest.fixture
def live(
    environ: dict[str, str], clean: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Flask]]:
    """A service with a thread that folds, which ends before the slate is wiped."""
    made: list[Flask] = []

    def make(*, pause: float = NEVER) -> Flask:
        monkeypatch.setattr(tallies, "PAUSE_SECONDS", pause)
        monkeypatch.setattr(tallies, "REST_SECONDS", SOON)
        made.append(create_app(config.load(environ)))
        return made[-1]

    yield make
    for app in made:
        disconnect(app)


def is_folded(sql: Connection) -> bool:
    return wait_until(lambda: changes(sql) == 0, PATIENCE)


def test_whoever_serves_folds_what_it_has_committed(
    live: Callable[..., Flask], admin: Caller, sql: Connection
) -> None:
    app = live()
    app.extensions["tallies"].wake()
    assert is_folded(sql)
    Caller(app, admin.headers, admin.user).make_loan()
    assert is_folded(sql)
    assert differences(sql) == []


def test_whoever_serves_folds_what_others_have_committed(
    live: Callable[..., Flask], admin: Caller, sql: Connection
) -> None:
    live(pause=SOON).extensions["tallies"].wake()
    admin.make_loan()
    assert is_folded(sql)


def test_whoever_does_not_serve_folds_nothing(live: Callable[..., Flask], admin: Caller) -> None:
    app = live(pause=SOON)
    Caller(app, admin.headers, admin.user).make_loan()
    assert not app.extensions["tallies"].has_begun


def test_a_worker_folds_at_its_start_what_another_left(
    environ: dict[str, str], admin: Caller, sql: Connection
) -> None:
    admin.make_loan()
    assert changes(sql) > 0
    with served(environ, workers=1):
        assert is_folded(sql)


def test_of_a_database_that_is_away_the_folder_tells_nothing(
    live: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []
    told: list[str] = []

    def away() -> int:
        tried.append(True)
        raise DatabaseAway

    monkeypatch.setattr(tallies, "fold", away)
    monkeypatch.setattr("app.background.log.exception", told.append)
    live(pause=SOON).extensions["tallies"].wake()
    assert wait_until(lambda: len(tried) > 1, PATIENCE)
    assert told == []


def test_a_command_folds_now(app: Flask, admin: Caller, sql: Connection) -> None:
    admin.make_loan()
    told = [app.test_cli_runner().invoke(args=["fold-tallies"]).stdout for _ in range(2)]
    kept = sql.execute("SELECT count(*) FROM tallies").fetchone()
    assert kept is not None
    assert told == [f"{kept[0]} tallies changed.\n", "0 tallies changed.\n"]
    assert (differences(sql), changes(sql)) == ([], 0)


@pytest.fixture
def spoiled(admin: Caller, sql: Connection) -> dict[str, Any]:
    """A loan of a book whose tallies are wrong, folded and not."""
    loan = make_book(admin)
    fold(sql)
    admin.make_customer(first_name="Joe")
    for table in TALLIED:
        sql.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    sql.execute(SPOIL)
    for table in TALLIED:
        sql.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert {subject for (subject, *_), _, _ in differences(sql)} == {
        *("loans", "customers", "payments", "audit")
    }
    return loan


def test_what_went_round_the_triggers_is_counted_anew(
    spoiled: dict[str, Any], app: Flask, sql: Connection
) -> None:
    told = app.test_cli_runner().invoke(args=["recount-tallies"])
    assert (told.exit_code, told.stdout) == (0, "Every tally is counted anew.\n")
    assert (differences(sql), changes(sql)) == ([], 0)
    flags = sql.execute("SELECT open_flags FROM loans ORDER BY open_flags").fetchall()
    assert flags == [(0,), (0,), (0,), (1,)]


def test_counting_anew_stops_no_writer_and_misses_none(
    spoiled: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    writer.execute("UPDATE customers SET status = 'INACTIVE'")
    writer.execute("DELETE FROM audit_events WHERE false")
    sql.execute("SELECT recount_tallies()")
    assert differences(sql) == []
    writer.execute("UPDATE customers SET created_at = created_at - interval '1 year'")
    writer.commit()
    assert differences(sql) == []


def test_a_flag_that_comes_while_all_is_counted_anew_is_counted_once(
    spoiled: dict[str, Any], sql: Connection, writer: Connection, connect: Callable[..., Connection]
) -> None:
    counter = connect()
    counter.execute("SET lock_timeout = '20s'")
    writer.execute(FLAG, [spoiled["id"]])
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(counter.execute, "SELECT recount_tallies()")
        pid = counter.info.backend_pid
        assert wait_until(lambda: bool(sql.execute(WAITING, [pid]).fetchall()), PATIENCE)
        writer.commit()
        counting.result()
    assert sql.execute(OPEN_FLAGS, [spoiled["id"]]).fetchone() == (1,)
    assert differences(sql) == []


def test_all_is_counted_anew_only_while_nobody_folds(
    spoiled: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    writer.execute("SELECT pg_advisory_xact_lock(hashtextextended('tallies', 0))")
    assert fold(sql) == 0
    with pytest.raises(errors.LockNotAvailable):
        sql.execute("SELECT recount_tallies()")
    writer.rollback()
    writer.execute("SELECT recount_tallies()")
    assert fold(sql) == 0
    writer.commit()
    assert differences(sql) == []
