"""What the tallies say of a list: how many it has, and on which day its nth row is.

As parts of statements, whose parameters have the names of a list's filters: `status` or `statuses`,
`flagged` or `unflagged`, and what `spans` makes of a range of days.
"""

from calendar import monthrange
from collections.abc import Collection, Mapping
from datetime import date
from itertools import chain, pairwise, starmap
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Date,
    ScalarSelect,
    Select,
    SQLColumnExpression,
    String,
    Subquery,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from app.models.tally import Subject, Tally, TallyChange
from app.reading import Reading

DAYS = frozenset(("first", "last"))
FILTERS = frozenset(("status", "statuses", "flagged", "unflagged")) | DAYS
NO_DAYS = (date.max, date.min)
ENDS = (("head_from", "head_until"), ("months_from", "months_until"), ("tail_from", "tail_until"))
PARAMETERS = frozenset(chain.from_iterable(ENDS))

Filters = Collection[str]
Condition = ColumnElement[bool]


def number(subject: Subject, filters: Filters) -> ColumnElement[int]:
    """How many there are, exactly, at the statement's own instant."""
    is_ranged = not DAYS.isdisjoint(filters)
    folded = select(func.sum(Tally.number)).where(
        _in_spans() if is_ranged else Tally.span == "ever", *_met(Tally, subject, filters)
    )
    changed = select(func.sum(TallyChange.number)).where(*_changes(subject, filters))
    return cast(
        func.coalesce(folded.scalar_subquery(), 0) + func.coalesce(changed.scalar_subquery(), 0),
        BigInteger,
    )


def statuses(subject: Subject, filters: Filters) -> Subquery:
    """The statuses of which there are any at all, whatever the days."""
    kept = [name for name in filters if name not in DAYS]
    folded = select(Tally.kind, Tally.number).where(
        Tally.span == "ever", *_met(Tally, subject, kept)
    )
    changed = select(TallyChange.kind, TallyChange.number).where(*_changes(subject, kept))
    lines = union_all(folded, changed).subquery()
    status = lines.c.kind.label("status")
    any_ = func.sum(lines.c.number) > literal_column("0")
    return select(status).group_by(status).having(any_).subquery("chosen")


def day_of_row(subject: Subject, filters: Filters, *, is_descending: bool) -> Reading:
    """A statement that finds the day of the row after `skipped` others, in a list by days.

    It answers that `day`, how many rows come `before` it, and the `total`; the first two are NULL
    where the list ends earlier.
    """
    start = literal_column("0", BigInteger)
    months = _reached(_of_months(subject, filters), start, "months", is_descending=is_descending)
    month, before = (select(column).scalar_subquery() for column in months.c)
    days = _reached(_of_days(month, subject, filters), before, "days", is_descending=is_descending)
    return Reading(
        select(
            select(days.c.starts_on).scalar_subquery().label("day"),
            select(days.c.before).scalar_subquery().label("before"),
            number(subject, filters).label("total"),
        )
    )


def spans(first: date | None, last: date | None) -> Mapping[str, date]:
    """The parameters of a range of days: its whole months, and the days left at both ends.

    None of no range.
    """
    if first is None and last is None:
        return {}
    first, last = first or date.min, last or date.max
    # By the numbers of days, which go on where the calendar ends.
    start, end = first.toordinal(), last.toordinal() + 1
    from_month = start if first.day == 1 else _next_month(first)
    until = end if end == _next_month(last) else end - last.day
    if from_month >= until:
        from_month = until = end
    ranges = chain.from_iterable(starmap(_days, pairwise((start, from_month, until, end))))
    names = chain.from_iterable(ENDS)
    return dict(zip(names, ranges, strict=True)) | {"first": first, "last": last}


def _of_months(subject: Subject, filters: Filters) -> Subquery:
    """How many there are in each month; of a range of days, in what of the month is within."""
    is_ranged = not DAYS.isdisjoint(filters)
    starts_on = _month_of(Tally.starts_on) if is_ranged else Tally.starts_on
    folded: Select[*tuple[Any, ...]] = select(starts_on.label("starts_on"), Tally.number).where(
        Tally.span == ("day" if is_ranged else "month"),
        *_met(Tally, subject, filters),
        *_ranged(Tally.starts_on, filters),
    )
    changed = select(_month_of(TallyChange.day), TallyChange.number)
    return _added_up(folded, changed.where(*_changes(subject, filters)))


def _of_days(month: ScalarSelect[date], subject: Subject, filters: Filters) -> Subquery:
    """How many there are on each day of one month."""
    folded = select(Tally.starts_on, Tally.number).where(
        Tally.span == "day",
        *_met(Tally, subject, filters),
        *_ranged(Tally.starts_on, filters),
        *_within(Tally.starts_on, month),
    )
    changed = select(TallyChange.day, TallyChange.number).where(
        *_changes(subject, filters), *_within(TallyChange.day, month)
    )
    return _added_up(folded, changed)


def _added_up(folded: Select[*tuple[Any, ...]], changed: Select[*tuple[Any, ...]]) -> Subquery:
    lines = union_all(folded, changed).subquery()
    total = func.sum(lines.c.number).label("number")
    return select(lines.c.starts_on, total).group_by(lines.c.starts_on).subquery()


def _reached(spans: Subquery, before: ColumnElement[int], name: str, *, is_descending: bool) -> CTE:
    """The first of the spans, in the list's order, in which the row after `skipped` is."""
    day = spans.c.starts_on
    order = day.desc() if is_descending else day.asc()
    running = func.sum(spans.c.number).over(order_by=order)
    through = select(day, (before + running).label("through"), spans.c.number).subquery()
    skipped = bindparam("skipped", type_=BigInteger)
    starts_on = through.c.starts_on
    return (
        select(starts_on, (through.c.through - through.c.number).label("before"))
        .where(through.c.through > skipped)
        .order_by(starts_on.desc() if is_descending else starts_on.asc())
        .limit(literal_column("1"))
        .cte(name)
    )


def _met(model: type[Tally | TallyChange], subject: Subject, filters: Filters) -> list[Condition]:
    conditions: list[Condition] = [model.subject == literal_column(f"'{subject}'")]
    if "status" in filters:
        conditions.append(model.kind == bindparam("status", type_=String))
    if "statuses" in filters:
        conditions.append(model.kind == any_(bindparam("statuses", type_=ARRAY(String))))
    if "flagged" in filters:
        conditions.append(model.is_flagged.is_(True))
    if "unflagged" in filters:
        conditions.append(model.is_flagged.is_(False))
    return conditions


def _changes(subject: Subject, filters: Filters) -> list[Condition]:
    """The changes that are not folded yet; those before are dead, or about to be."""
    return [
        TallyChange.is_unfolded(),
        *_met(TallyChange, subject, filters),
        *_ranged(TallyChange.day, filters),
    ]


def _in_spans() -> Condition:
    """Whole months, and days before the first and after the last of them."""
    head, months, tail = (
        Tally.starts_on.between(_day(from_), _day(until)) for from_, until in ENDS
    )
    return or_(and_(Tally.span == "month", months), and_(Tally.span == "day", or_(head, tail)))


def _ranged(day: SQLColumnExpression[date], filters: Filters) -> list[Condition]:
    return [] if DAYS.isdisjoint(filters) else [day.between(_day("first"), _day("last"))]


def _within(day: SQLColumnExpression[date], month: ScalarSelect[date]) -> list[Condition]:
    return [day >= month, day < cast(month + literal_column("interval '1 month'"), Date)]


def _month_of(day: SQLColumnExpression[date]) -> SQLColumnExpression[date]:
    return cast(func.date_trunc(literal_column("'month'"), day), Date)


def _day(name: str) -> SQLColumnExpression[date]:
    return bindparam(name, type_=Date)


def _next_month(day: date) -> int:
    """The number of the first day of the month after."""
    return day.toordinal() - day.day + 1 + monthrange(day.year, day.month)[1]


def _days(start: int, end: int) -> tuple[date, date]:
    """The first and the last of the days from one number to before another."""
    return (date.fromordinal(start), date.fromordinal(end - 1)) if start < end else NO_DAYS
