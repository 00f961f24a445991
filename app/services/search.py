"""Finding customers by any part of their name, e-mail, phone or external id, and counting them.

Up to three letters are counted by the tallies, month by month, in next to no time however many hold
them. More are counted by looking at whoever holds each three of them. The rows of a page are found
in one of two ways: customers are walked along by the moment they were made, and each is looked at;
or all that match are gathered by the index of letters, and sorted. The counts tell in which month
a page begins, and which way leads past fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlalchemy import func, literal_column, select, text

from app.db import db, transaction
from app.models import CustomerStatus
from app.models.search import LONGEST_GRAM
from app.services import sought
from app.services.pages import Page, Place, cut, start_of
from app.services.sought import ORDER, Shape

# Those who are gathered lie anywhere; those who are walked along lie mostly side by side.
GATHERED_COSTS = 2
# How far a walk may lead beyond what is expected: within a month, matches may be far from even.
UNEVEN, AT_LEAST = 4, 1_000
# Folded at once: little enough not to hold up anyone for long, enough to have much in common.
FEW, MANY = 1_000, 5_000
# The lock of whoever folds.
FOLDING = func.hashtextextended(literal_column("'search_tallies'"), 0)

Values = Mapping[str, Any]


class Month(NamedTuple):
    """How many customers were made in a month, and how many of them match; None is ever."""

    starts_on: date | None
    customers: int
    found: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The way to a page, from month to month: past `skipped` that match, to as many as `wanted`.

    It begins before the moment `until`, where there is one; or at a cursor, `midway in a month.
    """

    months: Sequence[Month]
    wanted: int
    skipped: int = 0
    until: datetime | None = None
    is_midway: bool = False

    @property
    def expected(self) -> int:
        """Past how many customers it leads, if those of a month match evenly."""
        past, missing = 0, self.skipped + self.wanted
        for month in self.months:
            if month.found >= missing:
                return past + month.customers * missing // month.found
            past, missing = past + month.customers, missing - month.found
        return past

    @property
    def longest(self) -> int:
        """Past how many it leads at most: to the end of the month in which there are enough."""
        past, missing = 0, self.skipped + self.wanted
        for at, month in enumerate(self.months):
            past += month.customers
            # Of the month of a cursor, all that match may lie on its other side.
            missing -= 0 if self.is_midway and at == 0 else month.found
            if missing <= 0:
                break
        return past


def page_of_matches(
    q: str,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    status: CustomerStatus | None = None,
) -> Page[Any]:
    """A page of all the customers in whom `q` occurs, in any case, newest first.

    For those who may see every customer. The count is exact, and of another instant than the rows:
    a write in between may show in one and not yet in the other. Raises Invalid for the cursor.
    """
    place = ORDER.place(cursor) if cursor else None
    values: dict[str, Any] = {"q": q} if status is None else {"q": q, "status": status}
    values["sought"], months = _counted(values)
    total = sum(month.found for month in months)
    if place:
        walk = _walk_from(place, months, page_size + 1)
    else:
        walk = _walk_to_row((page - 1) * page_size, months, page_size + 1)
    found = _found(values, walk, place, total) if walk.months else []
    return cut(found, total, ORDER, page=page, page_size=page_size, place=place)


def fold() -> int:
    """Fold a portion of what was committed until now, and say how many changes it was.

    None while there are few, which are no burden to readers, or while another does it.
    """
    return _folded(FEW)


def fold_all() -> int:
    """Fold all of it, portion by portion, and say how many changes it was."""
    number = portion = _folded(1)
    while portion:
        portion = _folded(1)
        number += portion
    return number


def hold_up_folding() -> None:
    """Have nobody fold until the transaction at work ends, which needs the time for itself."""
    db.session.execute(select(func.pg_advisory_xact_lock_shared(FOLDING)))


def recount() -> None:
    """Count everything anew, while others go on writing: for what was written past the triggers.

    It reads every customer, and no statement of it times out.
    """
    with transaction():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
        db.session.execute(select(func.recount_search_tallies()))


def _folded(least: int) -> int:
    # Not in transaction(), after which there would seem to be something to fold again.
    with db.engine.connect() as connection:
        portion: int = connection.execute(
            select(func.fold_search_changes(least, MANY))
        ).scalar_one()
    return portion


def _counted(values: Values) -> tuple[str, Sequence[Month]]:
    """What is sought, in lower case, and how many customers match of each month, newest first."""
    has_status = "status" in values
    rows = sought.tallied(has_status).rows(values) if len(values["q"]) <= LONGEST_GRAM else []
    # In lower case there are letters that become several.
    if not rows or len(rows[0].sought) > LONGEST_GRAM:
        rows = sought.looked_up(has_status).rows(values, is_prepared=False)
    return rows[0].sought, [Month(row.month, row.customers, row.found) for row in rows]


def _walk_to_row(skipped: int, months: Sequence[Month], wanted: int) -> Walk:
    """The way to the row after so many, from the month on in which it is; none beyond the last."""
    until = None
    for at, month in enumerate(months):
        if month.found > skipped:
            return Walk(months[at:], wanted, skipped, until)
        skipped -= month.found
        until = start_of(month.starts_on) if month.starts_on else None
    return Walk((), wanted)


def _walk_from(place: Place, months: Sequence[Month], wanted: int) -> Walk:
    """The way onwards from a place in the list, or back."""
    its_own = place.values[0].astimezone(UTC).date().replace(day=1)
    if place.is_after:
        ahead = [each for each in months if (each.starts_on or its_own) <= its_own]
    else:
        ahead = [each for each in months[::-1] if (each.starts_on or its_own) >= its_own]
    return Walk(ahead, wanted, is_midway=True)


def _found(values: Values, walk: Walk, place: Place | None, total: int) -> list[Any]:
    """The rows of a page, by the cheaper way. A walk that turns out far longer is given up."""
    shape = Shape(
        is_long=len(values["sought"]) > LONGEST_GRAM,
        has_status="status" in values,
        has_until=walk.until is not None,
        is_after=place.is_after if place else None,
    )
    asked = {**values, "skipped": walk.skipped, "wanted": walk.wanted, "until": walk.until}
    asked |= {f"place_{at}": value for at, value in enumerate(place.values if place else ())}
    worth = total * GATHERED_COSTS
    if walk.expected <= worth:
        reach = None if walk.longest <= worth else walk.expected * UNEVEN + AT_LEAST
        walked = sought.walked(shape, has_reach=reach is not None)
        # Planned for these values: how far it leads makes all the difference.
        found = walked.rows({**asked, "reach": reach}, is_prepared=False)
        if reach is None or len(found) == walk.wanted:
            return found
    return sought.gathered(shape).rows(asked, is_prepared=False)
