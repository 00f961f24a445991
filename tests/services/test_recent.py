"""The newest applications in figures: exact, of the days asked for, and of so many at most."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from flask import Flask

from app.errors import AdminOnly
from app.models import Role
from app.services import recent
from app.services.actor import Actor

Connection = psycopg.Connection[Any]
ADMIN = Actor(id=uuid4(), role=Role.ADMIN)
# One a day from 2024 on, with every score there is; every tenth has been flagged, twice.
LENT = """
INSERT INTO loans SELECT (jsonb_populate_record(loans, jsonb_build_object(
    'id', gen_random_uuid(), 'risk_score', number %% 101 / 100.0,
    'created_at', timestamptz '2024-01-01 12:00Z' + number * interval '1 day'
))).* FROM loans, generate_series(0, 403) AS number WHERE id = %s
"""
FOUND = """
INSERT INTO fraud_flags (id, loan_id, rule, reason, severity, evidence, created_at)
SELECT gen_random_uuid(), id, rule, 'odd', 'low', '{}', now()
FROM loans, (VALUES ('velocity'), ('amount'), ('velocity')) AS rules (rule)
WHERE extract(doy FROM created_at)::integer % 10 = 0 AND created_at < '2026-01-01Z'
"""
COUNTED = """
SELECT least(floor(risk_score / 0.05), 19)::integer, count(*) FROM loans
WHERE created_at >= %s AND created_at < %s GROUP BY 1
"""


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def lent(loan: dict[str, Any], sql: Connection) -> None:
    sql.execute(LENT, [loan["id"]])
    sql.execute(FOUND)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (None, None),
        (date(2024, 1, 1), date(2024, 12, 31)),
        (date(2024, 6, 1), None),
        (None, date(2024, 6, 1)),
        (date(2024, 3, 3), date(2024, 3, 3)),
        (date(1, 1, 1), date(9999, 12, 31)),
        (date(2020, 1, 1), date(2020, 12, 31)),
    ],
)
def test_the_bands_are_what_a_count_comes_to(
    lent: None, sql: Connection, first: date | None, last: date | None
) -> None:
    until = f"{last.toordinal() + 1 and last} 24:00Z" if last and last.year < 9999 else "infinity"
    since = f"{first} 00:00Z" if first else "-infinity"
    counted = dict(sql.execute(COUNTED, [since, until]).fetchall())
    found = recent.newest(ADMIN, first=first, last=last)
    assert {at: band.number for at, band in enumerate(found.bands) if band.number} == counted
    assert found.number == sum(counted.values())


def test_the_bands_are_side_by_side_and_one_begins_where_nothing_is_approved(lent: None) -> None:
    bands = recent.newest(ADMIN).bands
    assert (bands[0].least, bands[-1].below) == (Decimal(0), Decimal(1))
    assert all(one.below == other.least for one, other in pairwise(bands))
    assert Decimal("0.75") in {band.least for band in bands}


def test_findings_are_counted_by_rule_the_most_frequent_first(lent: None, sql: Connection) -> None:
    days = sql.execute("SELECT count(*) FROM fraud_flags WHERE rule = 'amount'").fetchone()
    assert days
    assert days[0] > 30
    found = recent.newest(ADMIN, last=date(2025, 12, 31))
    assert list(found.findings) == [("velocity", 2 * days[0]), ("amount", days[0])]


def test_of_more_than_are_looked_at_the_newest_are(
    lent: None, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "NEWEST", 10)
    recent._figures.cache_clear()
    found = recent.newest(ADMIN, last=date(2024, 12, 31))
    recent._figures.cache_clear()
    assert found.number == 10
    counted = dict(sql.execute(COUNTED, ["2024-12-22Z", "2025-01-01Z"]).fetchall())
    assert {at: band.number for at, band in enumerate(found.bands) if band.number} == counted


def test_admins_alone_read_it() -> None:
    with pytest.raises(AdminOnly):
        recent.newest(Actor(id=uuid4(), role=Role.OFFICER))
