"""Pages far down a list: those that the tallies find are the ones that come after all before."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from app.config import Settings
from app.db import db
from app.models import AuditEvent, Customer, Loan, Payment
from app.services import listing, tallies
from app.services.asked import among
from app.services.audit import TRAIL
from app.services.pages import Page
from app.services.records import CUSTOMERS, LOANS, PAYMENTS
from tests.conftest import sweep

UNHURRIED = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
ALWAYS, NEVER = 0, 10**9
FAR = 10**6
BEGINNING = datetime(2023, 12, 30, tzinfo=UTC)
DAYS = st.integers(0, 4) | st.sampled_from([30, 31, 32, 33, 61, 62, 63, 364, 365, 366, 367, 430])
TIMES = st.sampled_from(
    [timedelta(), timedelta(hours=12), timedelta(days=1) - timedelta(microseconds=1)]
)
NOBODY = UUID(int=0)

Write = Callable[[Any, list["Row"]], None]
Question = dict[str, Any]


class Row(NamedTuple):
    """A record: when it was made, its id's number, and what else it is found by."""

    moment: datetime
    number: int
    status: str
    is_flagged: bool


STATUSES: dict[Any, tuple[str, ...]] = {
    Loan: ("PENDING", "FLAGGED", "APPROVED", "REJECTED"),
    Customer: ("ACTIVE", "INACTIVE"),
    Payment: ("COMPLETED", "REJECTED"),
    AuditEvent: ("loan.applied", "loan.flagged"),
}
LISTINGS = {Loan: LOANS, Customer: CUSTOMERS, Payment: PAYMENTS, AuditEvent: TRAIL}
each = pytest.mark.parametrize("model", STATUSES)


def values_of(model: Any, row: Row) -> dict[str, Any]:
    if model is AuditEvent:
        return event_of(row)
    shared = {
        "id": UUID(int=row.number),
        "status": row.status,
        "created_at": row.moment,
        "created_by": NOBODY,
    }
    of_kind: dict[Any, dict[str, Any]] = {
        Loan: {
            **dict.fromkeys(("amount", "term_months", "income", "expenses", "version"), 1),
            "customer_id": NOBODY,
            "purpose": "a van",
            "outstanding": 0,
            "risk_score": 0,
            "open_flags": int(row.is_flagged),
            "updated_at": row.moment,
        },
        Customer: {"external_id": str(row.number), "updated_at": row.moment, "version": 1},
        Payment: {
            "customer_id": NOBODY,
            "total_amount": 1,
            "source": "external",
            "paid_at": None if row.status == "REJECTED" else row.moment,
        },
    }
    return shared | of_kind[model]


def event_of(row: Row) -> dict[str, Any]:
    """What happened once, and has no state: `status` is what was done."""
    return {
        "id": UUID(int=row.number),
        "at": row.moment,
        "action": row.status,
        "subject": "loan",
        "subject_id": NOBODY,
        "actor_kind": "user",
        "details": {},
    }


@pytest.fixture(scope="module")
def write(app: Flask, settings: Settings) -> Iterator[Write]:
    """Have nothing but these records of a kind, half of them folded into the tallies."""
    somebody = values_of(Customer, Row(BEGINNING, 0, "ACTIVE", False))
    with app.app_context(), db.engine.connect() as connection:

        def written(model: Any, rows: list[Row]) -> None:
            connection.execute(text(f"TRUNCATE {model.__tablename__} CASCADE"))
            if model is not Customer:
                connection.execute(insert(Customer).values(somebody).on_conflict_do_nothing())
            for some in (rows[::2], rows[1::2]):
                tallies.fold()
                if some:
                    made = [values_of(model, row) for row in some]
                    connection.execute(insert(model.__table__), made)

        yield written
    sweep(app, settings)


def books(model: Any) -> st.SearchStrategy[list[Row]]:
    """Days across months and years; often several records of one moment."""
    row = st.builds(
        lambda day, time, *others: Row(BEGINNING + timedelta(days=day) + time, *others),
        DAYS,
        TIMES,
        st.integers(1, 999),
        st.sampled_from(STATUSES[model]),
        st.booleans() if model is Loan else st.just(False),
    )
    return st.lists(row, max_size=25, unique_by=lambda row: row.number)


def questions(model: Any) -> st.SearchStrategy[Question]:
    """Filters that the tallies know, in any number."""
    filters = [
        st.just({}),
        statuses(model).map(among),
        st.sampled_from([{"flagged": True}, {"unflagged": True}]) if model is Loan else st.just({}),
        days("first"),
        days("last"),
    ]
    some = st.lists(st.sampled_from(filters), max_size=3, unique_by=id)
    asked = some.flatmap(lambda chosen: st.tuples(*chosen))
    merged = asked.map(lambda parts: {name: part[name] for part in parts for name in part})
    return merged.filter(is_in_order)


def statuses(model: Any) -> st.SearchStrategy[list[str]]:
    """One or several; of actions one."""
    most = 1 if model is AuditEvent else 3
    return st.lists(st.sampled_from(STATUSES[model]), min_size=1, max_size=most)


def days(name: str) -> st.SearchStrategy[Question]:
    return DAYS.map(lambda day: {name: (BEGINNING + timedelta(days=day)).date()})


def is_in_order(asked: Question) -> bool:
    return bool(asked.get("first", date.min) <= asked.get("last", date.max))


def met(rows: Sequence[Row], asked: Question) -> list[Row]:
    """By a plain look at each, newest first."""
    statuses = asked.get("statuses", [asked["status"]] if "status" in asked else None)
    return sorted(
        (
            row
            for row in rows
            if asked.get("first", date.min) <= row.moment.date() <= asked.get("last", date.max)
            and (statuses is None or row.status in statuses)
            and not ("flagged" in asked and not row.is_flagged)
            and not ("unflagged" in asked and row.is_flagged)
        ),
        reverse=True,
    )


def numbers(page: Page[Any]) -> list[int]:
    return [row.id.int for row in page.items]


@pytest.mark.parametrize("skipped_at_most", [ALWAYS, 3, NEVER])
@each
def test_every_page_has_the_rows_that_come_after_all_before(
    model: Any, skipped_at_most: int, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SKIPPED_AT_MOST", skipped_at_most)

    @UNHURRIED
    @given(books(model), st.lists(questions(model), min_size=2, max_size=4), st.integers(1, 6))
    def paged(rows: list[Row], asked: list[Question], size: int) -> None:
        write(model, rows)
        for question, is_reverse in zip(asked, cycle((False, True)), strict=False):
            expected = [row.number for row in met(rows, question)][:: -1 if is_reverse else 1]
            for number in (*range(1, len(expected) // size + 3), FAR):
                page = LISTINGS[model].page(
                    question, page=number, page_size=size, oldest_come_first=is_reverse
                )
                skipped = (number - 1) * size
                assert numbers(page) == expected[skipped : skipped + size], (question, number)
                assert page.total == len(expected), (question, number)
                assert (page.after is None) == (skipped + size >= len(expected))

    paged()


def test_a_page_that_the_tallies_know_nothing_of_is_skipped_to(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SKIPPED_AT_MOST", ALWAYS)
    rows = [Row(BEGINNING, number, "PENDING", False) for number in range(1, 8)]
    write(Loan, rows)
    for asked in ({"created_by": NOBODY}, {"min_amount": 1, "status": "PENDING"}):
        page = LOANS.page(asked, page=3, page_size=3)
        assert (numbers(page), page.total) == ([1], 7)


def test_a_page_far_down_is_found_by_its_day_and_read_from_there(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past no more rows than that day has."""
    monkeypatch.setattr(listing, "SKIPPED_AT_MOST", ALWAYS)
    rows = [Row(BEGINNING + timedelta(days=day), day, "PENDING", False) for day in range(1, 100)]
    write(Loan, rows)
    asked: list[Any] = []
    read = listing.Reading.rows

    def noting(reading: Any, values: Any, **how: Any) -> Any:
        asked.append(values)
        return read(reading, values, **how)

    monkeypatch.setattr(listing.Reading, "rows", noting)
    assert numbers(LOANS.page({}, page=90, page_size=1)) == [10]
    assert [values["skipped"] for values in asked] == [89, 0]
