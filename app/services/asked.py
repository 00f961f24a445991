"""What a list is asked for, as the parameters of its statement."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, String, bindparam

from app.services import tallied
from app.services.pages import Order, start_of

ONE_DAY = timedelta(days=1)
STATUSES = bindparam("statuses", type_=ARRAY(String))
BOUNDS = frozenset(("since", "until"))

Values = Mapping[str, Any]


def among(statuses: Sequence[str]) -> Values:
    """The filter by one status or several."""
    chosen = sorted(set(map(str, statuses)))
    return {"status": chosen[0]} if len(chosen) == 1 else {"statuses": chosen}


def is_tallied(names: frozenset[str]) -> bool:
    """Whether the tallies know how many meet the filters of those names."""
    return tallied.FILTERS.issuperset(names - tallied.PARAMETERS - BOUNDS)


def asked_for(asked: Values) -> dict[str, Any]:
    """The parameters of what is asked: of the filters, and of the range of days."""
    given = {name: value for name, value in asked.items() if value is not None}
    values = {**given, **_bounds(given)}
    if is_tallied(frozenset(given)):
        values |= tallied.spans(given.get("first"), given.get("last"))
    return values


def _bounds(asked: Values) -> dict[str, datetime]:
    """From the first moment of the first day to before the first moment after the last."""
    first, last = asked.get("first"), asked.get("last")
    bounds = {}
    if first is not None:
        bounds["since"] = start_of(first)
    if last is not None and last < date.max:
        bounds["until"] = start_of(last + ONE_DAY)
    return bounds


def beginning_with(day: date, order: Order) -> dict[str, datetime]:
    """The bound by which a list begins with that day."""
    return _bounds({"last" if order.is_descending else "first": day})
