"""What the tallies say of any range of days: all of it, and each day once."""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from typing import Any

import pytest
from flask import Flask
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from app.config import Settings
from app.db import db
from app.models import Role
from app.reading import Reading
from app.services import tallied, tallies
from tests.conftest import sweep
from tests.factories import Lender

UNHURRIED = settings(deadline=None)
ONE_DAY = timedelta(days=1)
NO_DAYS = (date.max, date.min)
EDGES = [
    *(date.min, date(1, 1, 31), date(1, 2, 1), date(9999, 11, 30), date(9999, 12, 1), date.max),
    *(date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 2, 28), date(2025, 3, 1)),
    *(date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 31), date(2024, 12, 31)),
]
ENDS = st.none() | st.sampled_from(EDGES) | st.dates(date(2023, 11, 28), date(2025, 4, 2))
ANYWHERE = st.none() | st.sampled_from(EDGES) | st.dates()
STATUSES = ("PENDING", "FLAGGED", "REJECTED")
COUNTS = [
    *({}, {"flagged": True}, {"unflagged": True}, {"statuses": ["FLAGGED", "REJECTED"]}),
    *({"status": status} for status in STATUSES),
    {"statuses": ["PENDING", "REJECTED"], "flagged": True},
    {"status": "FLAGGED", "unflagged": True},
]
WRITE = """
INSERT INTO loans (id, customer_id, amount, term_months, purpose, income, expenses, risk_score,
                   status, outstanding, created_by, created_at, updated_at, version, open_flags)
SELECT gen_random_uuid(), :customer, 1, 1, 'a van', 1, 1, 0.5, :status, 0, :customer, :at, now(), 1,
       :flags
"""

Range = tuple[date | None, date | None]
Loan = tuple[date, str, bool]


def ranges(ends: st.SearchStrategy[date | None]) -> st.SearchStrategy[Range]:
    return st.tuples(ends, ends).map(in_order)


def in_order(ends: Range) -> Range:
    first, last = ends
    return (last, first) if first and last and first > last else ends


@pytest.fixture(scope="module")
def book(app: Flask, settings: Settings) -> Iterator[list[Loan]]:
    """Loans around the ends of months, of years and of the calendar, some of them folded."""
    loans = [
        (day, STATUSES[number % 3], number % 2 == 0)
        for number, day in zip(count(), [*EDGES, *EDGES[::-1], date(2024, 6, 15)], strict=False)
    ]
    customer = Lender(app).user(Role.ADMIN).make_customer()["id"]
    with app.app_context():
        for number, (day, status, is_flagged) in enumerate(loans):
            at = datetime.combine(day, (time.min, time.max)[number % 2], UTC)
            values = {"customer": customer, "status": status, "at": at, "flags": int(is_flagged)}
            with db.engine.connect() as connection:
                connection.execute(text(WRITE), values)
            if number == len(loans) // 2:
                assert tallies.fold() > 0
        yield loans
    sweep(app, settings)


def within(day: date, first: date | None, last: date | None) -> bool:
    return (first or date.min) <= day <= (last or date.max)


def is_met(loan: Loan, asked: dict[str, Any]) -> bool:
    _, status, is_flagged = loan
    statuses = [asked["status"]] if "status" in asked else asked.get("statuses", STATUSES)
    flagged = {name == "flagged" for name in asked if name.endswith("flagged")}
    return status in statuses and flagged <= {is_flagged}


@UNHURRIED
@given(ranges(ANYWHERE))
def test_the_parts_of_a_range_are_all_of_it_and_no_day_twice(asked: Range) -> None:
    first, last = asked
    made = tallied.spans(first, last)
    if first is None and last is None:
        assert made == {}
        return
    parts = [(made[from_], made[until]) for from_, until in tallied.ENDS]
    days = [(from_, until) for from_, until in parts if (from_, until) != NO_DAYS]
    assert all(from_ <= until for from_, until in days)
    assert (days[0][0], days[-1][1]) == (first or date.min, last or date.max)
    for (_, until), (from_, _) in pairwise(days):
        assert until + ONE_DAY == from_
    assert (made["first"], made["last"]) == (days[0][0], days[-1][1])


@UNHURRIED
@given(ranges(ANYWHERE))
def test_of_a_range_whole_months_are_counted_as_months_and_fewest_days_as_days(
    asked: Range,
) -> None:
    made = tallied.spans(*asked)
    if not made:
        return
    head, months, tail = ((made[from_], made[until]) for from_, until in tallied.ENDS)
    if months != NO_DAYS:
        from_, until = months
        assert (from_.day, until.day) == (1, monthrange(until.year, until.month)[1])
    for from_, until in (head, tail):
        assert (from_, until) == NO_DAYS or until.toordinal() - from_.toordinal() < 60


def counting(filters: set[str]) -> Reading:
    return Reading(select(tallied.number("loans", filters).label("total")))


@pytest.mark.parametrize("asked", COUNTS, ids=str)
def test_a_number_is_that_of_a_plain_count(book: list[Loan], asked: dict[str, Any]) -> None:
    @UNHURRIED
    @given(ranges(ENDS))
    @example((None, None))
    @example((date.min, date.max))
    def counted(days: Range) -> None:
        values = {**asked, **tallied.spans(*days)}
        told = counting(set(values)).rows(values)[0].total
        assert told == sum(within(loan[0], *days) and is_met(loan, asked) for loan in book)

    counted()


@pytest.mark.parametrize("is_descending", [True, False])
@pytest.mark.parametrize("asked", COUNTS, ids=str)
def test_each_row_is_on_the_day_on_which_the_tallies_seek_it(
    book: list[Loan], asked: dict[str, Any], is_descending: bool
) -> None:
    some = [(None, None), (date(2024, 1, 31), date(2024, 12, 30)), (None, date(2024, 2, 29))]
    for days in [*some, *((day, day) for day in EDGES[:3])]:
        values = {**asked, **tallied.spans(*days)}
        found = [loan[0] for loan in book if within(loan[0], *days) and is_met(loan, asked)]
        found.sort(reverse=is_descending)
        of_day = Counter(found)
        seeking = tallied.day_of_row("loans", set(values), is_descending=is_descending)
        for skipped in range(len(found) + 2):
            (told,) = seeking.rows({**values, "skipped": skipped})
            day = found[skipped] if skipped < len(found) else None
            before = found.index(day) if day else None
            assert (told.day, told.before, told.total) == (day, before, len(found)), skipped
            assert day is None or before <= skipped < before + of_day[day]
