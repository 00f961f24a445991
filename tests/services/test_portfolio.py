"""The portfolio is what a count of all loans comes to, of any range of days."""

from collections.abc import Iterator
from datetime import UTC, date
from decimal import Decimal
from itertools import product
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.models import Role
from app.services import reports
from app.services.actor import Actor
from tests.tallying import fold

Connection = psycopg.Connection[Any]
ADMIN = Actor(id=uuid4(), role=Role.ADMIN)
BEYOND_ALL = "UPDATE tally_folds SET folded_below = 1152921504606846976"
# From the end of 2023 to the end of 2025, two on some days and none on others; the first without
# a flag and the last with one.
LENT = """
INSERT INTO loans SELECT (jsonb_populate_record(loans, jsonb_build_object(
    'id', gen_random_uuid(), 'amount', number + 1, 'risk_score', number %% 100 / 100.0,
    'created_at', timestamptz '2023-12-30 00:00Z' + number * interval '16.8 hours',
    'status', CASE number %% 3 WHEN 0 THEN 'PENDING' WHEN 1 THEN 'REJECTED' ELSE 'APPROVED' END
))).* FROM loans, generate_series(0, 1000) AS number WHERE id = %s
"""
ANOTHER = """
INSERT INTO loans SELECT (jsonb_populate_record(loans, jsonb_build_object(
    'id', gen_random_uuid()))).* FROM loans LIMIT 1
"""
DEAD = """
INSERT INTO tally_changes (subject, day, kind, is_flagged, number, risk, amount, outstanding)
SELECT 'loans', '2026-01-01', 'PAID', false, number % 2 * 2 - 1, 0, 0, 0
FROM generate_series(1, 20000) AS number
"""
DAYS = (
    *(date(1, 1, 1), date(2023, 12, 29), date(2023, 12, 31), date(2024, 1, 1), date(2024, 2, 29)),
    *(date(2024, 3, 1), date(2025, 6, 15), date(2025, 6, 30), date(2025, 7, 1)),
    *(date(2025, 11, 30), date(2025, 12, 1), date(9999, 11, 30), date(9999, 12, 31)),
)


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def lent(loan: dict[str, Any], sql: Connection) -> dict[str, Any]:
    """Half of it folded; answers the loan of today that all are like."""
    for half in ("false", "true"):
        sql.execute(f"{LENT} AND (number > 500) = {half}", [loan["id"]])
        if half == "false":
            fold(sql)
    return loan


def counted(sql: Connection, first: date | None, last: date | None) -> tuple[Any, ...]:
    """How many there are, their amounts, and the same by month."""
    months: dict[str, list[Decimal]] = {}
    for at, amount in sql.execute("SELECT created_at, amount FROM loans ORDER BY created_at"):
        if (first or date.min) <= at.astimezone(UTC).date() <= (last or date.max):
            months.setdefault(f"{at.astimezone(UTC):%Y-%m}", []).append(amount)
    by_month = [(month, len(each), sum(each)) for month, each in months.items()]
    return sum(total for _, total, _ in by_month), sum(each for *_, each in by_month), by_month


def reported(first: date | None = None, last: date | None = None) -> tuple[Any, ...]:
    report = reports.portfolio(ADMIN, first=first, last=last)
    by_month = [(each.month, each.total, each.sum_amount) for each in report.by_month]
    return report.total, report.sum_amount, by_month


def test_any_range_of_days_is_what_was_applied_for_in_it(
    lent: dict[str, Any], sql: Connection
) -> None:
    ranges = [
        each
        for each in product((None, *DAYS), (*DAYS, None))
        if None in each or each == (min(each), max(each))
    ]
    for first, last in ranges:
        assert reported(first, last) == counted(sql, first, last), (first, last)
    assert len(ranges) > 100


def test_every_figure_is_exact(lent: dict[str, Any], sql: Connection) -> None:
    sql.execute("UPDATE loans SET status = 'FLAGGED' WHERE amount > 990")
    report = reports.portfolio(ADMIN, first=date(2023, 1, 1), last=date(2025, 12, 31))
    figures = sql.execute(
        "SELECT count(*), round(avg(risk_score), 4), sum(amount), "
        "count(*) FILTER (WHERE status = 'APPROVED'), count(*) FILTER (WHERE status = 'FLAGGED') "
        "FROM loans WHERE created_at < '2026-01-01Z'"
    ).fetchone()
    assert figures is not None
    total, risk, amount, approved, flagged = figures
    assert (report.total, report.avg_risk_score, report.sum_amount) == (total, risk, amount)
    assert (report.by_status["APPROVED"], report.by_status["FLAGGED"]) == (approved, flagged)
    assert report.flagged_rate == round(Decimal(flagged) / total, 4)


def test_a_month_that_none_is_of_any_more_is_not_told_of(
    lent: dict[str, Any], sql: Connection
) -> None:
    sql.execute("UPDATE loans SET created_at = '2024-12-31Z' WHERE created_at > '2025-01-01Z'")
    for _ in range(2):
        assert reported() == counted(sql, None, None)
        fold(sql)


def test_what_is_committed_after_a_fold_that_began_later_is_not_overlooked(
    lent: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    writer.execute(ANOTHER)
    sql.execute(ANOTHER)
    fold(sql)
    writer.execute(ANOTHER)
    writer.commit()
    assert reported() == counted(sql, None, None)
    fold(sql)
    assert reported() == counted(sql, None, None)


def test_a_transaction_finds_what_it_has_written_itself(lent: dict[str, Any]) -> None:
    (before, *_) = reported()
    with transaction():
        db.session.execute(text(ANOTHER))
        assert reported()[0] == before + 1
    assert reported()[0] == before + 1


@pytest.mark.parametrize("fate", [BEYOND_ALL, "DELETE FROM tally_folds"])
def test_nothing_is_overlooked_where_transactions_are_numbered_anew(
    lent: dict[str, Any], sql: Connection, fate: str
) -> None:
    """As after the restore of a dump, elsewhere."""
    fold(sql)
    sql.execute(fate)
    sql.execute(ANOTHER)
    assert reported()[0] == 1_003
    assert fold(sql) > 0
    assert reported()[0] == 1_003
    number = "SELECT folded_below <= pg_current_xact_id()::text::bigint FROM tally_folds"
    assert sql.execute(number).fetchone() == (True,)


def test_what_was_folded_is_not_looked_at_while_somebody_holds_an_old_view(
    lent: dict[str, Any], sql: Connection, writer: Connection
) -> None:
    writer.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    writer.execute("SELECT count(*) FROM loans")
    sql.execute(DEAD)
    fold(sql)
    statement = reports._cells(is_ranged=False).sql
    explained = sql.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}").fetchone()
    dead = sql.execute("SELECT pg_relation_size('tally_changes') / 8192").fetchone()
    assert explained is not None
    assert dead is not None
    plan = explained[0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < dead[0] / 2
