"""The statements of a search: how many match, and which of them are on a page.

They are built once for each shape of question. What is sought is `q` as it was given, or `sought`
as the database has it in lower case.
"""

from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    DateTime,
    Select,
    String,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from app.models import Customer, SearchChange, SearchTally
from app.reading import Reading
from app.services.pages import Order, newest_first
from app.services.records import CUSTOMERS

ORDER = newest_first(Customer)
NOTHING: ColumnElement[int] = literal_column("0")
NO_LETTERS: ColumnElement[str] = literal_column("''")


class Shape(NamedTuple):
    """What of a question about a page changes the statement, and not only its parameters.

    `is_long` is one for more letters than the index knows in a row.
    """

    is_long: bool
    has_status: bool
    has_until: bool
    is_after: bool | None


@cache
def tallied(has_status: bool) -> Reading:
    """How many customers of each month there are, and how many have `q`, of up to three letters."""
    sought = func.lower(_given("q", String))
    number = SearchTally.number
    is_any = SearchTally.gram == NO_LETTERS
    folded = select(
        SearchTally.month,
        case((is_any, number), else_=NOTHING).label("customers"),
        case((is_any, NOTHING), else_=number).label("found"),
    ).where(SearchTally.gram.in_([NO_LETTERS, sought]))
    holds = func.strpos(SearchChange.text, sought) > NOTHING
    number = SearchChange.number
    changed = select(SearchChange.month, number, case((holds, number), else_=NOTHING))
    if has_status:
        folded, changed = _of_status(folded, SearchTally), _of_status(changed, SearchChange)
    lines = union_all(folded, changed).subquery()
    sums = (
        cast(func.sum(lines.c[name]), BigInteger).label(name) for name in ("customers", "found")
    )
    month = lines.c.month
    answer = select(month, sought.label("sought"), *sums).group_by(month)
    return Reading(answer.order_by(month.desc()))


@cache
def looked_up(has_status: bool) -> Reading:
    """The same of `q` of any length, and of all months at once: whoever may match is looked at."""
    sought = func.lower(_given("q", String))
    found = select(func.count()).where(Customer.found_by(sought), Customer.holds(sought))
    folded = select(SearchTally.number).where(SearchTally.gram == NO_LETTERS)
    changed = select(SearchChange.number)
    if has_status:
        found = _of_status(found, Customer)
        folded, changed = _of_status(folded, SearchTally), _of_status(changed, SearchChange)
    customers = select(
        func.coalesce(func.sum(union_all(folded, changed).subquery().c.number), NOTHING)
    )
    return Reading(
        select(
            null().label("month"),
            sought.label("sought"),
            cast(customers.scalar_subquery(), BigInteger).label("customers"),
            found.scalar_subquery().label("found"),
        )
    )


@cache
def walked(shape: Shape, has_reach: bool) -> Reading:
    """The rows of a page, for which customers are looked at in order; only those within `reach`."""
    sought = _given("sought", String)
    if not has_reach:
        return _page(_bounded(select(*ORDER.columns).where(Customer.holds(sought)), shape), shape)
    ahead = _bounded(select(Customer), shape).order_by(*_by(shape, ORDER))
    met = aliased(Customer, ahead.limit(_given("reach", BigInteger)).subquery("ahead"))
    return _page(select(met.created_at, met.id).where(met.holds(sought)), shape)


@cache
def gathered(shape: Shape) -> Reading:
    """The same, among all that match."""
    sought = _given("sought", String)
    matching = select(*ORDER.columns).where(Customer.found_by(sought))
    if shape.is_long:
        matching = matching.where(Customer.holds(sought))
    if shape.has_status:
        matching = _of_status(matching, Customer)
    # An offset, even of none, keeps what else is asked outside. For its sake each customer would be
    # looked at, or an index read that has nothing to do with letters.
    fenced = matching.offset(NOTHING).subquery("matching")
    return _page(_beyond(select(*fenced.c), shape, newest_first(fenced.c)), shape)


def _page(places: Select[*tuple[Any, ...]], shape: Shape) -> Reading:
    """What is shown of some of those places in the list: `wanted` rows after those `skipped`."""
    skipped, wanted = _given("skipped", BigInteger), _given("wanted", BigInteger)
    order = newest_first(places.selected_columns)
    page = places.order_by(*_by(shape, order)).offset(skipped).limit(wanted).subquery("page")
    shown = CUSTOMERS.shown.join(page, page.c.id == Customer.id)
    return Reading(shown.order_by(*_by(shape, ORDER)))


def _bounded(query: Select[Any], shape: Shape) -> Select[Any]:
    """The customers that the question is about."""
    query = _of_status(query, Customer) if shape.has_status else query
    return _beyond(query, shape, ORDER)


def _beyond(query: Select[Any], shape: Shape, order: Order) -> Select[Any]:
    """What is before a moment, or beyond a place in the list."""
    if shape.has_until:
        query = query.where(order.columns[0] < _given("until", DateTime(timezone=True)))
    if shape.is_after is not None:
        place = (_given(f"place_{at}", column.type) for at, column in enumerate(order.columns))
        query = query.where(order.beyond_row(shape.is_after, [*place]))
    return query


def _by(shape: Shape, order: Order) -> list[ColumnElement[Any]]:
    return order.by(order.columns, reverse=shape.is_after is False)


def _of_status(query: Select[Any], model: Any) -> Select[Any]:
    return query.where(model.status == _given("status", String))


def _given(name: str, type_: Any) -> BindParameter[Any]:
    return bindparam(name, type_=type_)
