"""What is tallied of the letters in customers is what they have: in every view, folded or not."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import errors

from app import config, create_app
from app.local.processes import wait_until
from app.services import books, search, tallies
from tests.conftest import disconnect
from tests.factories import Caller
from tests.searching import CROWD, NEW_YEAR, Person, add, changes, differences, fold, numbers

Connection = psycopg.Connection[Any]
PATIENCE = 30
WAITING = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
NEVER, SOON = 3600.0, 0.01
PEOPLE = [
    Person(1, "Ada", "Lovelace", "ada@love.example", "+1 555 01", "A-1"),
    Person(2, "Éva", "Ada", external_id="ada"),
    Person(3, external_id="50%\\_", status="INACTIVE"),
    Person(4, "Li", "漢字", "li@x.example", created_at=NEW_YEAR.replace(year=2020)),
]
BULK = (
    "UPDATE customers SET first_name = 'Grace'",
    "UPDATE customers SET last_name = NULL, email = NULL WHERE external_id IS NOT NULL",
    "UPDATE customers SET status = 'INACTIVE'",
    "UPDATE customers SET created_at = created_at + interval '1 month'",
    "UPDATE customers SET external_id = 'x' || external_id",
    "DELETE FROM customers WHERE status = 'INACTIVE'",
    "DELETE FROM customers",
    "TRUNCATE customers CASCADE",
    "TRUNCATE customers, search_tallies, search_changes CASCADE",
    "WITH gone AS (DELETE FROM customers WHERE external_id = 'ada') "
    "UPDATE customers SET last_name = 'Byron' WHERE external_id = 'A-1'",
    CROWD.replace("%s", "100"),
)
TALLIED = "SELECT coalesce(sum(number), 0) FROM search_tallies WHERE gram = ''"
WRITES = (
    "INSERT INTO customers (id, external_id, first_name, status, created_at, created_by, version, "
    "updated_at) SELECT gen_random_uuid(), 'w-' || %(number)s || '-' || gen_random_uuid(), 'Joe', "
    "'ACTIVE', now() - %(number)s * interval '1 day', gen_random_uuid(), 1, now() "
    "FROM generate_series(1, 5)",
    "UPDATE customers SET first_name = 'Joe ' || %(number)s WHERE external_id LIKE 'w-' || "
    "%(number)s || '-%%'",
    "UPDATE customers SET status = 'INACTIVE' WHERE external_id LIKE 'w-' || %(number)s || '-%%'",
    "DELETE FROM customers WHERE external_id LIKE 'w-' || %(number)s || '-%%'",
)


@pytest.fixture
def people(sql: Connection) -> None:
    add(sql, PEOPLE)


def test_what_the_services_do_is_tallied(admin: Caller, sql: Connection) -> None:
    ada, bob = admin.make_customer(), admin.make_customer(phone="+1 555")
    path = f"/customers/{ada['id']}"
    assert admin.patch(path, {"last_name": "Byron", "status": "INACTIVE"}).status_code == 200
    assert admin.delete(f"/customers/{bob['id']}").status_code == 204
    assert (differences(sql), changes(sql)) == ([], 5)


@pytest.mark.parametrize("statement", BULK)
@pytest.mark.parametrize("is_folded", [False, True])
def test_many_rows_at_once_are_tallied_as_one_by_one(
    people: None, sql: Connection, statement: str, is_folded: bool
) -> None:
    if is_folded:
        fold(sql)
    sql.execute(statement)
    assert differences(sql) == []
    fold(sql)
    assert (differences(sql), changes(sql)) == ([], 0)


def test_what_changes_no_letters_writes_nothing(people: None, sql: Connection) -> None:
    before = changes(sql)
    for statement in (
        "UPDATE customers SET version = 7, credit_limit = 5, created_by = gen_random_uuid()",
        "UPDATE customers SET first_name = upper(first_name)",
        "UPDATE customers SET status = status, created_at = created_at + interval '1 day'",
        "UPDATE customers SET first_name = 'Grace' WHERE false",
        "DELETE FROM customers WHERE false",
    ):
        sql.execute(statement)
        assert changes(sql) == before, statement
    assert differences(sql) == []


def test_a_month_is_utcs_whoever_writes(people: None, sql: Connection) -> None:
    sql.execute("SET TIME ZONE 'Pacific/Kiritimati'")
    sql.execute("UPDATE customers SET created_at = '2026-02-28 23:59:59.999999Z'")
    fold(sql)
    months = sql.execute("SELECT DISTINCT month::text FROM search_tallies WHERE number > 0")
    assert (differences(sql), months.fetchall()) == ([], [("2026-02-01",)])


def test_what_is_rolled_back_leaves_no_trace(
    people: None, sql: Connection, writer: Connection
) -> None:
    writer.execute("UPDATE customers SET first_name = 'Grace'")
    writer.execute("SAVEPOINT here")
    writer.execute("DELETE FROM customers")
    assert differences(writer) == []
    writer.execute("ROLLBACK TO here")
    assert (differences(writer), differences(sql)) == ([], [])
    writer.rollback()
    assert (differences(sql), changes(sql)) == ([], len(PEOPLE))


def test_writers_wait_neither_for_each_other_nor_for_a_fold(
    people: None, connect: Callable[..., Connection]
) -> None:
    writers = [connect(autocommit=False) for _ in range(3)]
    for number, each in enumerate(writers):
        add(each, [Person(100 + number, "Ada", external_id=str(number))])
    folder = connect(autocommit=False)
    assert fold(folder) == len(PEOPLE)
    for number, each in enumerate(writers):
        add(each, [Person(200 + number, "Ada", external_id=f"more {number}")])
        each.commit()
    folder.commit()
    assert (differences(folder), changes(folder)) == ([], 6)


def test_of_two_folds_at_once_one_is_made(
    people: None, sql: Connection, writer: Connection
) -> None:
    assert fold(writer) == len(PEOPLE)
    assert fold(sql) == 0
    assert (differences(sql), differences(writer)) == ([], [])
    writer.commit()
    assert (fold(sql), differences(sql)) == (0, [])


def test_a_fold_that_is_killed_loses_nothing(
    people: None, sql: Connection, writer: Connection
) -> None:
    assert fold(writer) == len(PEOPLE)
    sql.execute("SELECT pg_terminate_backend(%s)", [writer.info.backend_pid])
    with pytest.raises((errors.AdminShutdown, psycopg.OperationalError)):
        writer.execute("SELECT 1")
    assert (differences(sql), changes(sql)) == ([], len(PEOPLE))
    assert (fold(sql), differences(sql), changes(sql)) == (len(PEOPLE), [], 0)


def test_a_view_from_before_a_fold_stays_what_it_was(
    people: None, sql: Connection, writer: Connection
) -> None:
    writer.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert changes(writer) == len(PEOPLE)
    sql.execute("DELETE FROM customers WHERE external_id = 'ada'")
    fold(sql)
    assert (differences(writer), changes(writer)) == ([], len(PEOPLE))


def test_changes_are_folded_in_portions_the_oldest_first_and_not_while_few(
    people: None, sql: Connection
) -> None:
    assert fold(sql, few=5) == 0
    folded = [fold(sql, few=1, many=3), *numbers(sql, TALLIED), fold(sql, few=1, many=3)]
    assert (folded, differences(sql), changes(sql)) == ([3, 3, 1], [], 0)


def test_whoever_truncates_waits_for_whoever_folds(
    people: None, sql: Connection, writer: Connection
) -> None:
    fold(writer)
    truncating = "TRUNCATE customers CASCADE"
    with pytest.raises(errors.LockNotAvailable):
        sql.execute(truncating)
    writer.commit()
    sql.execute(truncating)
    assert (differences(sql), list(numbers(sql, TALLIED))) == ([], [0])


def test_whoever_counts_anew_waits_for_whoever_truncates(
    people: None, sql: Connection, writer: Connection, connect: Callable[..., Connection]
) -> None:
    writer.execute("TRUNCATE customers CASCADE")
    counter = connect()
    counter.execute("SET lock_timeout = 0")
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(counter.execute, "SELECT recount_search_tallies()")
        waits = wait_until(
            lambda: sql.execute(WAITING, [counter.info.backend_pid]).fetchone() is not None,
            PATIENCE,
        )
        writer.commit()
        counting.result()
    assert (waits, differences(sql), changes(sql)) == (True, [], 0)


def test_the_tallies_are_right_at_every_instant_while_others_write_and_fold(
    people: None, sql: Connection, connect: Callable[..., Connection]
) -> None:
    def write(connection: Connection, seed: int) -> None:
        random = Random(seed)
        for _ in range(150):
            number = 10 * seed + random.randrange(4)
            connection.execute(random.choice(WRITES), {"number": number})

    def keep_folding(connection: Connection) -> None:
        while not all(writer.done() for writer in writers):
            fold(connection, many=7)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, connect(), seed) for seed in range(4)]
        folders = [pool.submit(keep_folding, connect()) for _ in range(2)]
        seen = [differences(sql)]
        while not all(writer.done() for writer in writers):
            seen.append(differences(sql))
        for each in (*writers, *folders):
            each.result()
    assert seen == [[]] * len(seen)
    while fold(sql):
        pass
    assert differences(sql) == []


def test_what_was_written_past_the_triggers_is_found_and_counted_anew(
    people: None, sql: Connection, app: Flask
) -> None:
    def found() -> list[str]:
        (check,) = (each for each in books.CHECKS if each.name == "tallied letters")
        with app.app_context(), books.opened() as opened:
            return [str(each) for each in opened.differences(check)]

    fold(sql)
    assert found() == []
    sql.execute("UPDATE search_tallies SET number = 2 WHERE gram = '漢字'")
    sql.execute(
        "INSERT INTO search_changes (month, status, text, number) VALUES "
        "('2026-01-01', 'ACTIVE', 'é''', 1)"
    )
    sql.execute("UPDATE search_tallies SET number = 0 WHERE gram = 'lov' AND month = '2026-01-01'")
    assert found() == [
        "letters '' 2026-01-01 ACTIVE: tallied 3, on record 2",
        "letters '''' 2026-01-01 ACTIVE: tallied 1, on record 0",
        "letters 'lov' 2026-01-01 ACTIVE: tallied 0, on record 1",
        "letters 'é' 2026-01-01 ACTIVE: tallied 2, on record 1",
        "letters 'é''' 2026-01-01 ACTIVE: tallied 1, on record 0",
        "letters '漢字' 2020-01-01 ACTIVE: tallied 2, on record 1",
    ]
    with app.app_context():
        search.recount()
    assert (found(), changes(sql)) == ([], 1)
    assert (fold(sql), found()) == (1, [])


def test_counting_anew_lets_others_write_meanwhile(
    people: None, sql: Connection, writer: Connection
) -> None:
    writer.execute("SELECT recount_search_tallies()")
    add(sql, [Person(9, "Joe", external_id="meanwhile")])
    assert (differences(sql), differences(writer)) == ([], [])
    assert fold(sql) == 0
    writer.commit()
    assert (differences(sql), fold(sql), differences(sql)) == ([], len(PEOPLE) + 1, [])


def test_whoever_folds_the_tallies_folds_these_too_portion_by_portion(
    environ: dict[str, str], people: None, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 2)
    monkeypatch.setattr(search, "MANY", 1)
    monkeypatch.setattr(tallies, "PAUSE_SECONDS", NEVER)
    monkeypatch.setattr(tallies, "REST_SECONDS", SOON)
    app = create_app(config.load(environ))
    try:
        app.extensions["tallies"].wake()
        assert wait_until(lambda: changes(sql) == 1, PATIENCE)
    finally:
        disconnect(app)
    assert differences(sql) == []


def test_a_command_folds_even_a_few(people: None, sql: Connection, app: Flask) -> None:
    assert app.test_cli_runner().invoke(args=["fold-tallies"]).exit_code == 0
    assert (changes(sql), differences(sql)) == (0, [])
