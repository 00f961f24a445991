"""The portfolio and the audit trail."""

import csv
import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from app.config import Settings
from tests.factories import Caller

LIKE_BEFORE = {"first_name": "Ada", "phone": None}
NOTHING = {
    "total": 0,
    "by_status": {
        "PENDING": 0,
        "FLAGGED": 0,
        "APPROVED": 0,
        "REJECTED": 0,
        "WITHDRAWN": 0,
        "ACTIVE": 0,
        "PAID": 0,
    },
    "avg_risk_score": None,
    "sum_amount": 0,
    "sum_outstanding": 0,
    "approval_rate": None,
    "flagged_rate": None,
    "by_month": [],
}


@pytest.fixture
def portfolio(admin: Caller, settings: Settings) -> list[str]:
    """Eight loans of 100.10 to 100.80, two of them of an earlier month; their ids, oldest first."""
    ids = [admin.make_loan(amount=f"100.{number}0")["id"] for number in range(1, 9)]
    for number, deed in enumerate(("activate", "approve", "reject", "withdraw")):
        assert admin.post(f"/loans/{ids[number]}/{deed}").status_code == 200
    assert admin.post(f"/loans/{ids[4]}/flag", {"reason": "odd"}).status_code == 200
    with psycopg.connect(settings.database_url) as connection:
        set_date = "UPDATE loans SET created_at = %s WHERE id = %s"
        connection.execute(set_date, [datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC), ids[0]])
        connection.execute(set_date, [datetime(2026, 3, 1, 0, 0, tzinfo=UTC), ids[1]])
        connection.execute(set_date, [datetime(2026, 3, 31, 23, 59, 59, 999_999, UTC), ids[2]])
    return ids


def exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def test_an_empty_portfolio_has_every_status_and_no_average(admin: Caller) -> None:
    assert admin.get("/reports/portfolio").json == NOTHING


@pytest.mark.usefixtures("portfolio")
def test_the_portfolio_sums_exactly(admin: Caller) -> None:
    text = admin.get("/reports/portfolio").text
    report = exactly(text)
    assert report["total"] == 8
    assert report["by_status"] == {
        "PENDING": 3,
        "FLAGGED": 1,
        "APPROVED": 1,
        "REJECTED": 1,
        "WITHDRAWN": 1,
        "ACTIVE": 1,
        "PAID": 0,
    }
    assert '"sum_amount":803.60' in text
    assert '"sum_outstanding":100.10' in text
    assert report["avg_risk_score"] == Decimal("0.25")
    assert (report["approval_rate"], report["flagged_rate"]) == (Decimal("0.25"), Decimal("0.125"))
    assert report["by_month"][:2] == [
        {"month": "2026-02", "total": 1, "sum_amount": Decimal("100.10")},
        {"month": "2026-03", "total": 2, "sum_amount": Decimal("200.50")},
    ]
    assert sum(month["total"] for month in report["by_month"]) == 8


@pytest.mark.usefixtures("portfolio")
@pytest.mark.parametrize(
    ("days", "total"),
    [
        ("from=2026-02-28&to=2026-02-28", 1),
        ("from=2026-03-01&to=2026-03-01", 1),
        ("from=2026-03-01&to=2026-03-31", 2),
        ("to=2026-02-27", 0),
        ("to=2026-03-31", 3),
        ("from=2026-04-01", 5),
        ("from=0001-01-01&to=9999-12-31", 8),
    ],
)
def test_a_range_holds_both_its_days_whole(admin: Caller, days: str, total: int) -> None:
    assert admin.get(f"/reports/portfolio?{days}").json["total"] == total
    listed = admin.get(f"/loans/?{days}")
    assert listed.headers["X-Total-Count"] == str(total)


def test_a_range_that_ends_before_it_begins_is_refused(admin: Caller) -> None:
    refused = admin.get("/reports/portfolio?from=2026-03-02&to=2026-03-01")
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["to"])


@pytest.mark.usefixtures("portfolio")
@pytest.mark.parametrize(
    ("query", "accept"), [("?format=csv", "*/*"), ("", "text/csv"), ("?format=csv", "text/html")]
)
def test_the_portfolio_downloads_as_csv(admin: Caller, query: str, accept: str) -> None:
    answer = admin.get(f"/reports/portfolio{query}", headers={"Accept": accept})
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="portfolio.csv"'
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["figure", "of", "value"]
    figures = {(figure, of): value for figure, of, value in rows[1:]}
    report = exactly(admin.get("/reports/portfolio").text)
    assert figures["total", ""] == "8"
    assert figures["sum_amount", ""] == "803.60"
    assert figures["by_month.sum_amount", "2026-02"] == "100.10"
    assert {of: int(value) for (figure, of), value in figures.items() if figure == "by_status"} == (
        report["by_status"]
    )


@pytest.mark.parametrize(
    ("query", "accept"), [("", "*/*"), ("?format=json", "text/csv"), ("", "application/json")]
)
def test_whoever_does_not_ask_for_csv_gets_json(admin: Caller, query: str, accept: str) -> None:
    answer = admin.get(f"/reports/portfolio{query}", headers={"Accept": accept})
    assert answer.json == NOTHING


@pytest.mark.parametrize("report", ["portfolio", "audit"])
def test_reports_are_for_admins(officer: Caller, applicant: Caller, report: str) -> None:
    for caller in (officer, applicant):
        assert caller.get(f"/reports/{report}").status_code == 403


def test_the_trail_says_who_did_what_to_which_record(admin: Caller, officer: Caller) -> None:
    loan = officer.make_loan()
    sent = {"X-Request-ID": "decision-7"}
    admin.post(f"/loans/{loan['id']}/approve", {"reason": "fine"}, headers=sent)
    events = admin.get(f"/reports/audit?subject_id={loan['id']}").json
    told = [
        {name: event[name] for name in ("action", "actor_id", "actor_kind")} for event in events
    ]
    assert told == [
        {"action": "loan.approved", "actor_id": admin.id, "actor_kind": "user"},
        {"action": "loan.applied", "actor_id": officer.id, "actor_kind": "user"},
    ]
    assert (events[0]["request_id"], events[0]["address"]) == ("decision-7", "127.0.0.1")
    assert (events[0]["subject"], events[0]["subject_id"]) == ("loan", loan["id"])


def test_the_trail_is_filtered_and_paged(admin: Caller, officer: Caller) -> None:
    for _ in range(3):
        officer.make_customer()
    page = admin.get(f"/reports/audit?actor_id={officer.id}&action=customer.created&page_size=2")
    assert (len(page.json), page.headers["X-Total-Count"]) == (2, "3")
    today = datetime.now(UTC).date()
    assert admin.get(f"/reports/audit?from={today}&to={today}").json
    assert admin.get("/reports/audit?to=2020-01-01").json == []


def test_a_change_of_nothing_leaves_no_trace(admin: Caller) -> None:
    customer = admin.make_customer()
    before = admin.get("/reports/audit").headers["X-Total-Count"]
    same = admin.patch(f"/customers/{customer['id']}", {"first_name": customer["first_name"]})
    assert (same.status_code, same.json) == (200, customer)
    assert admin.get("/reports/audit").headers["X-Total-Count"] == before


def test_the_trail_names_the_fields_that_changed(admin: Caller) -> None:
    customer = admin.make_customer()
    admin.patch(f"/customers/{customer['id']}", {**LIKE_BEFORE, "last_name": "New"})
    event = admin.get(f"/reports/audit?subject_id={customer['id']}").json[0]
    assert (event["action"], event["details"]) == ("customer.changed", {"fields": ["last_name"]})


def test_a_refused_deed_leaves_no_trace(admin: Caller, officer: Caller) -> None:
    loan = officer.make_loan()
    before = admin.get("/reports/audit").headers["X-Total-Count"]
    assert officer.post(f"/loans/{loan['id']}/approve").status_code == 403
    assert officer.patch(f"/loans/{loan['id']}", {"amount": "0"}).status_code == 422
    assert admin.get("/reports/audit").headers["X-Total-Count"] == before
