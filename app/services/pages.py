"""Pages of a list: the rows asked for and how many there are in all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.base import ExecutableOption

from app.db import db

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    items: Sequence[Row]
    total: int
    number: int
    size: int


def page_of(
    query: Select[Row],
    *,
    order: Sequence[ColumnElement[Any]],
    page: int,
    page_size: int,
    options: Sequence[ExecutableOption] = (),
) -> Page[Row]:
    """One page of `query` in a total order, with the exact count of all its rows.

    Count, rows and what `options` load are statements of their own: a write in between may show in
    one and not yet in the other.
    """
    total = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    offset = (page - 1) * page_size
    if offset >= total:
        return Page((), total, page, page_size)
    rows = db.session.scalars(
        query.options(*options).order_by(*order).offset(offset).limit(page_size)
    )
    return Page(rows.all(), total, page, page_size)


def newest_first(model: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return model.created_at.desc(), model.id.desc()


def oldest_first(model: Any) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return model.created_at.asc(), model.id.asc()


def within_days(
    column: InstrumentedAttribute[datetime], first: date | None, last: date | None
) -> list[ColumnElement[bool]]:
    """Conditions for whole UTC days, both ends included; None leaves that end open."""
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(column >= datetime.combine(first, time.min, UTC))
    if last is not None and last < date.max:
        conditions.append(column < datetime.combine(last + timedelta(days=1), time.min, UTC))
    return conditions


def containing(text: str, *columns: ColumnElement[Any] | InstrumentedAttribute[Any]) -> Any:
    """`text` taken literally, anywhere in one of the columns, in any case."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))
