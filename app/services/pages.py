"""Pages of a list: the rows asked for and how many there are in all.

A page is asked for by its number, or by a cursor: the place in the list after which, or before
which, it begins. A cursor costs the same however deep it leads, and nothing that is added meanwhile
moves a row from one page to the next.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import orjson
from sqlalchemy import ColumnElement, Select, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.base import ExecutableOption

from app.db import db
from app.errors import Invalid

Row = TypeVar("Row")
LARGEST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """`after` and `before` are cursors to what follows and precedes; None where nothing does."""

    items: Sequence[Row]
    total: int
    number: int
    size: int
    after: str | None = None
    before: str | None = None


class Place(NamedTuple):
    """A place in a list, by the sorting values of the row beside it."""

    is_after: bool
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """A total order: by columns that together are unique, all in one direction."""

    columns: tuple[InstrumentedAttribute[Any], ...]
    is_descending: bool = True

    def by(self, columns: Sequence[Any], *, reverse: bool = False) -> list[ColumnElement[Any]]:
        """The columns, sorted so or the other way round."""
        descends = self.is_descending != reverse
        return [column.desc() if descends else column.asc() for column in columns]

    def beyond(self, is_after: bool, values: Sequence[Any]) -> ColumnElement[bool]:
        """What comes after a row of those sorting values, or before it."""
        typed = zip(values, self.columns, strict=True)
        return self.beyond_row(is_after, [literal(value, column.type) for value, column in typed])

    def beyond_row(self, is_after: bool, row: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
        """The same of a row of expressions."""
        key = tuple_(*self.columns)
        return key < tuple_(*row) if self.is_descending == is_after else key > tuple_(*row)

    def cursor(self, is_after: bool, row: Any) -> str:
        """The cursor to what comes after a row, or before it."""
        values = (getattr(row, column.key) for column in self.columns)
        return self._written(Place(is_after, tuple(values)))

    def place(self, cursor: str) -> Place:
        """The place that a cursor of this very order tells of. Raises Invalid."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            _, is_after, *values = orjson.loads(urlsafe_b64decode(padded))
            types = (column.type.python_type for column in self.columns)
            read = (READ[kind](value) for kind, value in zip(types, values, strict=True))
            place = Place(is_after is True, tuple(read))
        except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
            place = None
        if place is None or self._written(place) != cursor:
            raise Invalid({"cursor": ["Not a cursor of this list."]})
        return place

    def _written(self, place: Place) -> str:
        """The one cursor of a place: with the order's name, so that it is good for no other."""
        name = ("-" if self.is_descending else "") + self.columns[0].class_.__tablename__
        written = orjson.dumps([name, place.is_after, *place.values])
        return urlsafe_b64encode(written).rstrip(b"=").decode()


def page_of(
    query: Select[Row],
    *,
    order: Order,
    page: int,
    page_size: int,
    cursor: str | None = None,
    counted: Select[int] | None = None,
    options: Sequence[ExecutableOption] = (),
) -> Page[Row]:
    """One page of `query`, with the exact count of all its rows, which `counted` may know better.

    Count, rows and what `options` load are statements of their own: a write in between may show in
    one and not yet in the other. Raises Invalid for a cursor of another list.
    """
    place = order.place(cursor) if cursor else None
    total = db.session.scalar(
        select(func.count()).select_from(query.subquery()) if counted is None else counted
    )
    is_backwards = place is not None and not place.is_after
    rows = query.options(*options).order_by(*order.by(order.columns, reverse=is_backwards))
    if place is not None:
        rows = rows.where(order.beyond(*place))
    else:
        rows = rows.offset((page - 1) * page_size)
    found = db.session.scalars(rows.limit(page_size + 1)).unique().all()
    return cut(found, total or 0, order, page=page, page_size=page_size, place=place)


def cut(
    found: Sequence[Row],
    total: int,
    order: Order,
    *,
    page: int,
    page_size: int,
    place: Place | None,
) -> Page[Row]:
    """The page out of its rows and one more, if there is one, which tells that others follow."""
    items, has_more = found[:page_size], len(found) > page_size
    is_backwards = place is not None and not place.is_after
    if is_backwards:
        items = items[::-1]
    follows = is_backwards or has_more
    precedes = has_more if is_backwards else place is not None or page > 1
    after = order.cursor(True, items[-1]) if items and follows else None
    before = order.cursor(False, items[0]) if items and precedes else None
    return Page(items, total, page, page_size, after, before)


def newest_first(model: Any) -> Order:
    return Order((model.created_at, model.id))


def within_days(
    column: InstrumentedAttribute[datetime], first: date | None, last: date | None
) -> list[ColumnElement[bool]]:
    """Conditions for whole UTC days, both ends included; None leaves that end open."""
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(column >= start_of(first))
    if last is not None and last < date.max:
        conditions.append(column < start_of(last + timedelta(days=1)))
    return conditions


def start_of(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time.min, UTC)


def containing(text: str, *columns: ColumnElement[Any] | InstrumentedAttribute[Any]) -> Any:
    """`text` taken literally, anywhere in one of the columns, in any case."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _moment(value: str) -> datetime:
    read = datetime.fromisoformat(value)
    return read.astimezone(UTC)


def _number(value: int) -> int:
    if type(value) is not int or abs(value) > LARGEST_KEY:  # true and false are integers, too
        raise ValueError
    return value


READ: dict[type, Callable[[Any], Any]] = {datetime: _moment, UUID: UUID, int: _number}
