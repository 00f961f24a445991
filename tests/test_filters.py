"""Searches take every character literally, and days are whole."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from uuid_utils.compat import uuid7

from app.db import db, transaction
from app.models import AuditEvent
from tests.attacks import query
from tests.factories import Caller

SPECIAL = ["%", "_", "\\", "'", "/", "*", "?", '"', "--", "%%", "a_b", "a%b"]
DAY = "2026-01-31"
AT_MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
AT_LAST = datetime(2026, 1, 31, 23, 59, 59, 999_999, UTC)
THE_DAY_BEFORE = datetime(2026, 1, 30, 23, 59, 59, 999_999, UTC)
NEXT_MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
MOMENTS = [THE_DAY_BEFORE, AT_MIDNIGHT, AT_LAST, NEXT_MIDNIGHT]


@pytest.fixture
def loans_through_midnight(admin: Caller, app: Flask) -> Caller:
    """Loans made at the edges of one day."""
    for moment in MOMENTS:
        loan = admin.make_loan()
        with app.app_context(), db.engine.connect() as connection:
            connection.execute(
                text("UPDATE loans SET created_at = :moment WHERE id = :id"),
                {"moment": moment, "id": loan["id"]},
            )
    return admin


def moments(response: Any, name: str = "created_at") -> list[datetime]:
    assert response.status_code == 200, response.get_data(as_text=True)
    return sorted(datetime.fromisoformat(each[name]) for each in response.get_json())


def test_the_loans_of_a_day_are_those_of_the_whole_day(loans_through_midnight: Caller) -> None:
    found = loans_through_midnight.get(f"/loans/?from={DAY}&to={DAY}")
    assert moments(found) == [AT_MIDNIGHT, AT_LAST]


def test_the_payments_of_a_day_are_those_of_the_whole_day(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were rejected among them, though nothing was paid then."""
    customer = admin.make_debt(amount="10.00")["customer_id"]
    for moment, amount in zip(MOMENTS, ("1.00", "1.00", "10.00", "1.00"), strict=True):
        monkeypatch.setattr("app.services.payments.now", lambda moment=moment: moment)
        admin.pay(customer, amount)
    for days in (f"from={DAY}&to={DAY}", f"from={DAY}&to={DAY}&customer={customer}"):
        assert moments(admin.get(f"/payments/?{days}")) == [AT_MIDNIGHT, AT_LAST]
    assert moments(admin.get(f"/payments/?from={DAY}")) == [AT_MIDNIGHT, AT_LAST, NEXT_MIDNIGHT]
    assert moments(admin.get(f"/payments/?to={DAY}")) == [THE_DAY_BEFORE, AT_MIDNIGHT, AT_LAST]


def test_the_report_of_a_day_is_that_of_the_whole_day(loans_through_midnight: Caller) -> None:
    report = loans_through_midnight.get(f"/reports/portfolio?from={DAY}&to={DAY}").get_json()
    assert report["total"] == 2


def test_the_trail_of_a_day_is_that_of_the_whole_day(admin: Caller, app: Flask) -> None:
    with app.app_context(), transaction():
        db.session.add_all(
            AuditEvent(
                actor_id=UUID(admin.id),
                actor_kind="user",
                action="user.changed",
                subject="user",
                subject_id=uuid7(),
                at=moment,
            )
            for moment in MOMENTS
        )
    found = admin.get(f"/reports/audit?from={DAY}&to={DAY}")
    assert moments(found, "at") == [AT_MIDNIGHT, AT_LAST]


@pytest.mark.parametrize("character", SPECIAL)
def test_a_customer_is_searched_for_literally(clean: None, admin: Caller, character: str) -> None:
    admin.make_customer(last_name="Plain ab axb")
    special = admin.make_customer(last_name=f"x{character}x")
    found = admin.get("/customers/", query_string=query(q=character)).get_json()
    assert [each["id"] for each in found] == [special["id"]]


@pytest.mark.parametrize("character", SPECIAL)
def test_a_user_is_searched_for_literally(admin: Caller, officer: Caller, character: str) -> None:
    officer.patch("/auth/users/me", {"nickname": f"x{character}x"})
    found = admin.get("/auth/users", query_string=query(q=character)).get_json()
    assert [each["id"] for each in found] == [officer.id]
