"""Lists that are asked for all day: a page and its exact count in one statement.

The statement is built once for each shape of question: which filters it names, in which order, and
from where on. Where the tallies know how many there are, nothing is counted, and a page far down
the list is found through them, by the day on which it begins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
)

from app.models.tally import Subject
from app.reading import Reading
from app.services import tallied
from app.services.asked import STATUSES, Values, asked_for, beginning_with, is_tallied
from app.services.pages import Order, Page, Place, cut

# To skip so many rows of an index costs no more than to look for the day where they end.
SKIPPED_AT_MOST = 1_000
SHAPES_KEPT = 1_000

Condition = ColumnElement[bool]


class Shape(NamedTuple):
    """What of a question changes the statement, and not its parameters alone."""

    names: frozenset[str]
    is_descending: bool
    size: int
    skips: bool
    is_after: bool | None
    counts: bool


@dataclass(frozen=True, eq=False)
class Listing:
    """One kind of record, listed by when it was made.

    `shown` selects what is shown of it, `id` and the moment among that. `filters` are conditions,
    each with a parameter of its own name; beside them go the days `first` and `last`, and where
    there is a `status`, several `statuses`. Those in `telling` leave few, whatever they are given.
    The tallies know it by `subject`. `moment` is the column of when it was made.
    """

    model: Any
    shown: Select[*tuple[Any, ...]]
    filters: Mapping[str, Condition]
    subject: Subject
    telling: frozenset[str] = frozenset()
    moment: str = "created_at"

    def page(
        self,
        asked: Values,
        *,
        page: int,
        page_size: int,
        cursor: str | None = None,
        oldest_come_first: bool = False,
    ) -> Page[Any]:
        """The page of what meets the filters named in `asked`. Raises Invalid for the cursor."""
        values = asked_for(asked)
        order = self._order(is_descending=not oldest_come_first)
        place = order.place(cursor) if cursor else None
        skipped, total = 0 if place else (page - 1) * page_size, None
        if skipped > SKIPPED_AT_MOST and is_tallied(frozenset(values)):
            day, before, total = self._sought(values, order, skipped)
            if day is None:
                return Page((), total, page, page_size)
            values |= beginning_with(day, order)
            skipped -= before
        found, total = self._rows(values, order, place, page_size, skipped, total)
        return cut(found, total, order, page=page, page_size=page_size, place=place)

    def whole(
        self, asked: Values, *, oldest_come_first: bool = False
    ) -> tuple[Select[*tuple[Any, ...]], Values]:
        """The statement of all rows that meet the filters named in `asked`, and its parameters."""
        values = asked_for(asked)
        order = self._order(is_descending=not oldest_come_first)
        rows = self.shown.where(*self._conditions(frozenset(values)))
        return rows.order_by(*order.by(order.columns)), values

    def number(self, asked: Values) -> int:
        """How many rows meet them."""
        values = asked_for(asked)
        return int(_counting(self, frozenset(values)).rows(values)[0].total)

    def _rows(
        self,
        values: Values,
        order: Order,
        place: Place | None,
        size: int,
        skipped: int,
        total: int | None,
    ) -> tuple[Sequence[Any], int]:
        """The rows of a page and one more, if there is one; and the total, counted if unknown."""
        shape = Shape(
            names=frozenset(values),
            is_descending=order.is_descending,
            size=size,
            skips=skipped > 0,
            is_after=place.is_after if place else None,
            counts=total is None,
        )
        placed = {f"place_{at}": value for at, value in enumerate(place.values if place else ())}
        # A plan that is kept would be one for skipping very many, or for a middling value.
        is_even = is_tallied(shape.names) or not self.telling.isdisjoint(shape.names)
        found = _reading(self, shape).rows(
            {**values, **placed, "skipped": skipped}, is_prepared=is_even and not skipped
        )
        if total is None:
            return [row for row in found if row.id is not None], found[0].total
        return found, total

    def _sought(self, values: Values, order: Order, skipped: int) -> tuple[date | None, int, int]:
        """The day on which a page begins, how many rows come before that day, and in all."""
        finding = _finding(self.subject, frozenset(values), order.is_descending)
        (found,) = finding.rows({**values, "skipped": skipped})
        return found.day, found.before, found.total

    def _order(self, *, is_descending: bool) -> Order:
        return Order((getattr(self.model, self.moment), self.model.id), is_descending)

    def statement(self, shape: Shape) -> Select[*tuple[Any, ...]]:
        """The rows of a page and one more; beside each, if it `counts`, how many there are in all.

        Where there are none, the total stands beside a row of NULLs.
        """
        order = self._order(is_descending=shape.is_descending)
        places = self._places(shape, order)
        rows = self.shown.join(places, places.c.id == self.model.id).subquery("shown")
        sorting = [rows.c[column.key] for column in order.columns]
        by = order.by(sorting, reverse=shape.is_after is False)
        if not shape.counts:
            return select(*rows.c).order_by(*by)
        one = select(self.total(shape.names).label("total")).subquery("counted")
        return select(one.c.total, *rows.c).select_from(one.outerjoin(rows, true())).order_by(*by)

    def total(self, names: frozenset[str]) -> ColumnElement[int]:
        """How many rows meet the filters named: of the tallies, where those know."""
        if is_tallied(names):
            return tallied.number(self.subject, names)
        return select(func.count()).where(*self._conditions(names)).scalar_subquery()

    def _places(self, shape: Shape, order: Order) -> Subquery:
        """The ids of the rows, in one walk along an index; of several statuses, in one for each."""
        key = [*order.columns]
        chosen = self._walked_apart(shape.names)
        conditions = self._conditions(shape.names - ({"statuses"} if chosen is not None else set()))
        if shape.is_after is not None:
            values = (bindparam(f"place_{at}", type_=column.type) for at, column in enumerate(key))
            conditions.append(order.beyond_row(shape.is_after, [*values]))
        by = order.by(key, reverse=shape.is_after is False)
        size: ColumnElement[int] = literal_column(str(shape.size + 1))
        walk = select(*key).where(*conditions).order_by(*by).limit(size)
        skipped = bindparam("skipped", type_=BigInteger)
        if chosen is None:
            return (walk.offset(skipped) if shape.skips else walk).subquery("places")
        walk = walk.where(self.model.status == chosen.c.status)
        each = (walk.limit(size + skipped) if shape.skips else walk).lateral("each")
        merged = select(*each.c).select_from(chosen.join(each, true()))
        merged = merged.order_by(*order.by([*each.c], reverse=shape.is_after is False)).limit(size)
        return (merged.offset(skipped) if shape.skips else merged).subquery("places")

    def _walked_apart(self, names: frozenset[str]) -> FromClause | None:
        """The statuses to walk along one by one, as a table; None where one walk leads past all."""
        if not is_tallied(names):
            return None
        if "unflagged" in names and not names.isdisjoint(("status", "statuses")):
            # Of some status all may be flagged, and the walk would lead past them in vain.
            return tallied.statuses(self.subject, names)
        if "statuses" in names:
            return func.unnest(STATUSES).table_valued("status").render_derived("chosen")
        return None

    def _conditions(self, names: frozenset[str]) -> list[Condition]:
        """Of the filters named, and of the moments they are within."""
        conditions = [self.filters[name] for name in sorted(names) if name in self.filters]
        if "statuses" in names:
            conditions.append(self.model.status == any_(STATUSES))
        made_at = getattr(self.model, self.moment)
        if "since" in names:
            conditions.append(made_at >= bindparam("since", type_=made_at.type))
        if "until" in names:
            conditions.append(made_at < bindparam("until", type_=made_at.type))
        return conditions


@lru_cache(SHAPES_KEPT)
def _reading(listing: Listing, shape: Shape) -> Reading:
    return Reading(listing.statement(shape))


@lru_cache(SHAPES_KEPT)
def _counting(listing: Listing, names: frozenset[str]) -> Reading:
    return Reading(select(listing.total(names).label("total")))


@lru_cache(SHAPES_KEPT)
def _finding(subject: Subject, names: frozenset[str], is_descending: bool) -> Reading:
    return tallied.day_of_row(subject, names, is_descending=is_descending)
