"""Tallies are what there is: however it is written, in every view, folded or not."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.factories import Caller
from tests.tallying import changes, differences, fold, make_book

Connection = psycopg.Connection[Any]
# A hundred of one loan, on ten days.
MANY = """
INSERT INTO loans SELECT (jsonb_populate_record(loans, jsonb_build_object(
    'id', gen_random_uuid(), 'created_at', created_at - mod(number, 10) * interval '1 day'
))).* FROM loans, generate_series(1, 100) AS number WHERE id = %s
"""
ONE = MANY.replace("100", "1")
FLAG = """
INSERT INTO fraud_flags (id, loan_id, rule, reason, severity, evidence, created_at)
SELECT gen_random_uuid(), id, 'manual', 'odd', 'low', '{}', now() FROM loans
"""
CLEAR = "INSERT INTO flag_clearances SELECT id, now(), NULL, 'fine' FROM fraud_flags"
MOVE_A_MONTH = "UPDATE loans SET created_at = created_at - interval '1 month'"
BULK = (
    "UPDATE loans SET status = 'REJECTED' WHERE status = 'PENDING'",
    "UPDATE loans SET amount = amount + 0.01, risk_score = 0.99",
    MOVE_A_MONTH,
    "UPDATE loans SET purpose = 'another'",
    "DELETE FROM loans WHERE id NOT IN (SELECT loan_id FROM loan_events)",
    FLAG,
    f"{FLAG}; {CLEAR} WHERE NOT EXISTS (SELECT FROM flag_clearances WHERE flag_id = id)",
    "UPDATE customers SET status = 'INACTIVE'",
    "UPDATE customers SET created_at = created_at - interval '1 day'",
    "DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM loans)",
    "TRUNCATE loans CASCADE",
    "TRUNCATE customers CASCADE",
    "TRUNCATE payments CASCADE",
    "TRUNCATE audit_events",
    "TRUNCATE fraud_flags CASCADE",
    "TRUNCATE flag_clearances",
    "TRUNCATE customers, audit_events, tallies, tally_changes, tally_folds CASCADE",
)


def many(sql: Connection, loan: dict[str, Any]) -> None:
    sql.execute(MANY, [loan["id"]])


def total(connection: Connection, subject: str = "loans") -> int:
    """By the tallies and their changes."""
    row = connection.execute(
        "SELECT (SELECT coalesce(sum(number), 0) FROM tallies WHERE subject = %(of)s "
        "AND span = 'ever') + (SELECT coalesce(sum(number), 0) FROM tally_changes "
        "WHERE subject = %(of)s)",
        {"of": subject},
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def book(admin: Caller) -> dict[str, Any]:
    return make_book(admin)


def test_what_the_services_do_is_tallied(book: dict[str, Any], sql: Connection) -> None:
    assert differences(sql) == []
    assert (total(sql), total(sql, "payments"), total(sql, "customers")) == (4, 2, 2)


@pytest.mark.parametrize("statements", BULK)
@pytest.mark.parametrize("is_folded", [False, True])
def test_many_rows_at_once_are_tallied_as_one_by_one(
    book: dict[str, Any], sql: Connection, statements: str, is_folded: bool
) -> None:
    many(sql, book)
    if is_folded:
        fold(sql)
    sql.execute(statements)
    assert differences(sql) == []
    fold(sql)
    assert (differences(sql), changes(sql)) == ([], 0)


def test_what_is_copied_in_is_tallied_by_few_changes(book: dict[str, Any], sql: Connection) -> None:
    kept = sql.execute("SELECT loans::text FROM loans WHERE id = %s", [book["id"]]).fetchone()
    before = changes(sql)
    with sql.cursor().copy("COPY loans FROM STDIN (FORMAT csv)") as copy:
        for number in range(1_000):
            copy.write(f"{kept[0][1:-1].replace(book['id'], f'{number:032x}')}\n")
    assert (differences(sql), changes(sql) - before, total(sql)) == ([], 1, 1_004)


def test_a_statement_writes_a_change_for_each_day_and_kind_it_touches(
    book: dict[str, Any], sql: Connection
) -> None:
    for statement, written in (
        (MANY.replace("%s", f"'{book['id']}'"), 10),
        ("UPDATE loans SET status = 'WITHDRAWN' WHERE status = 'PENDING'", 20),
        ("UPDATE loans SET amount = amount + 1 WHERE status = 'WITHDRAWN'", 10),
        ("UPDATE loans SET purpose = 'nothing that is tallied'", 0),
        ("UPDATE loans SET version = version, amount = amount", 0),
        ("DELETE FROM loans WHERE false", 0),
    ):
        before = changes(sql)
        sql.execute(statement)
        assert changes(sql) - before == written, statement


def test_a_day_is_utcs_whoever_writes(book: dict[str, Any], sql: Connection) -> None:
    sql.execute("SET TIME ZONE 'Pacific/Kiritimati'")
    sql.execute("UPDATE loans SET created_at = '2026-03-01 23:59:59.999999Z'")
    assert differences(sql) == []
    fold(sql)
    days = sql.execute("SELECT starts_on::text FROM tallies WHERE subject = 'loans' ORDER BY 1")
    assert {day for (day,) in days} == {"0001-01-01", "2026-03-01"}


def test_what_is_rolled_back_leaves_no_trace(
    book: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    before = changes(sql)
    writer.execute(ONE, [book["id"]])
    writer.execute("SAVEPOINT here")
    writer.execute(MANY, [book["id"]])
    assert total(writer) == 105
    writer.execute("ROLLBACK TO here")
    assert (total(writer), differences(writer), total(sql)) == (5, [], 4)
    writer.rollback()
    assert (differences(sql), changes(sql)) == ([], before)


def test_writers_wait_neither_for_each_other_nor_for_a_fold(
    book: dict[str, Any], connect: Callable[..., Connection]
) -> None:
    writers = [connect(autocommit=False) for _ in range(3)]
    for each in writers:
        each.execute(ONE, [book["id"]])
    folder = connect(autocommit=False)
    fold(folder)
    for each in writers:
        each.execute(MANY, [book["id"]])
        each.commit()
    folder.commit()
    assert (differences(folder), total(folder)) == ([], 4 + 3 * 101)


def test_of_two_folds_at_once_one_is_made(
    book: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    assert fold(writer) > 0
    assert fold(sql) == 0
    assert (differences(sql), differences(writer)) == ([], [])
    writer.commit()
    assert fold(sql) == 0
    assert differences(sql) == []


def test_folds_from_everywhere_count_nothing_twice(
    book: dict[str, Any],
    sql: Connection,
    connect: Callable[..., Connection],
    in_parallel: Callable[..., list[Any]],
) -> None:
    folders = [connect() for _ in range(8)]
    for _ in range(5):
        many(sql, book)
        in_parallel(*(lambda each=each: fold(each) for each in folders))
        assert differences(sql) == []
    assert total(sql) == 504


def test_a_fold_that_is_killed_loses_nothing(
    book: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    before = changes(sql)
    assert fold(writer) > 0
    sql.execute("SELECT pg_terminate_backend(%s)", [writer.info.backend_pid])
    with pytest.raises((errors.AdminShutdown, psycopg.OperationalError)):
        writer.execute("SELECT 1")
    assert (differences(sql), changes(sql)) == ([], before)
    fold(sql)
    assert (differences(sql), changes(sql)) == ([], 0)


def test_a_view_from_before_a_fold_stays_what_it_was(
    book: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    writer.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    assert total(writer) == 4
    for _ in range(3):
        many(sql, book)
        fold(sql)
        assert (total(writer), differences(writer)) == (4, [])


def test_tallies_that_come_to_nothing_are_removed(book: dict[str, Any], sql: Connection) -> None:
    fold(sql)
    sql.execute(MOVE_A_MONTH)
    fold(sql)
    sql.execute("TRUNCATE payments CASCADE")
    fold(sql)
    kept = "SELECT count(*) FROM tallies WHERE subject IN ('loans', 'payments')"
    kinds = "SELECT 3 * count(DISTINCT (status, open_flags > 0)) FROM loans"
    assert sql.execute(kept).fetchone() == sql.execute(kinds).fetchone()
