"""What the admins read: the portfolio in figures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Date,
    DateTime,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from app.models import LoanStatus, Tally, TallyChange
from app.reading import Reading
from app.services.actor import Actor
from app.services.tallied import ENDS, spans

LOANS = literal_column("'loans'", String)
SUMS = ("number", "risk", "amount", "outstanding")
FOUR_PLACES = Decimal("0.0001")
APPROVED = (LoanStatus.APPROVED, LoanStatus.ACTIVE, LoanStatus.PAID)


@dataclass(frozen=True, slots=True)
class Month:
    """Applications of one calendar month (UTC), `YYYY-MM`: what they asked for and still owe.

    `approved` counts those that stand approved, active or paid, `rejected` those refused.
    """

    month: str
    total: int
    sum_amount: Decimal
    sum_outstanding: Decimal
    approved: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The applications made in a range of days. Rates and the average are None over nothing.

    `approval_rate` is the share of all applications that stand approved, active or paid;
    `flagged_rate` the share that stands flagged.
    """

    total: int
    by_status: dict[str, int]
    avg_risk_score: Decimal | None
    sum_amount: Decimal
    sum_outstanding: Decimal
    approval_rate: Decimal | None
    flagged_rate: Decimal | None
    by_month: Sequence[Month]


def portfolio(actor: Actor, *, first: date | None = None, last: date | None = None) -> Portfolio:
    """Sum up the applications made from `first` to `last`, whole UTC days, both included.

    Whatever their number, it is read from the tallies, and exact.
    """
    actor.must_be_admin()  # who sees every loan: no need of visible_loans
    days = spans(first, last)
    return _summed(_cells(is_ranged=bool(days)).rows(days))


@cache
def _cells(*, is_ranged: bool) -> Reading:
    """The loans by status and month: what was folded, and what has changed since."""
    lines = union_all(*_folded(is_ranged), _changed(is_ranged)).subquery()
    month = func.to_char(cast(lines.c.day, DateTime), literal_column("'YYYY-MM'")).label("month")
    number, *sums = (func.sum(lines.c[name]) for name in SUMS)
    return Reading(
        select(lines.c.status, month, cast(number, BigInteger).label("total"))
        .add_columns(*(each.label(name) for each, name in zip(sums, SUMS[1:], strict=True)))
        .group_by(lines.c.status, month)
        .having(number != literal_column("0"))
        .order_by(month)
    )


def _folded(is_ranged: bool) -> Iterator[Select[*tuple[Any, ...]]]:
    """Each range of tallies by a statement of its own, which finds it in the index."""
    parts = zip(("day", "month", "day"), ENDS, strict=True) if is_ranged else (("month", None),)
    for span, ends in parts:
        days = [Tally.starts_on.between(_day(ends[0]), _day(ends[1]))] if ends else []
        yield select(Tally.kind.label("status"), Tally.starts_on.label("day"), *_sums(Tally)).where(
            Tally.subject == LOANS, Tally.span == literal_column(f"'{span}'"), *days
        )


def _changed(is_ranged: bool) -> Select[*tuple[Any, ...]]:
    days = [TallyChange.day.between(_day("first"), _day("last"))] if is_ranged else []
    return select(TallyChange.kind, TallyChange.day, *_sums(TallyChange)).where(
        TallyChange.subject == LOANS, TallyChange.is_unfolded(), *days
    )


def _sums(model: type[Tally | TallyChange]) -> list[ColumnElement[Any]]:
    return [getattr(model, name) for name in SUMS]


def _day(name: str) -> BindParameter[date]:
    return bindparam(name, type_=Date)


def _summed(cells: Sequence[Any]) -> Portfolio:
    """`cells` are in the order of their months."""
    total = sum(cell.total for cell in cells)
    by_status = {str(status): 0 for status in LoanStatus}
    for cell in cells:
        by_status[cell.status] += cell.total
    return Portfolio(
        total=total,
        by_status=by_status,
        avg_risk_score=_ratio(_money(cell.risk for cell in cells), total),
        sum_amount=_money(cell.amount for cell in cells),
        sum_outstanding=_money(cell.outstanding for cell in cells),
        approval_rate=_ratio(sum(by_status[status] for status in APPROVED), total),
        flagged_rate=_ratio(by_status[LoanStatus.FLAGGED], total),
        by_month=[
            _month(month, list(of_month))
            for month, of_month in groupby(cells, key=attrgetter("month"))
        ],
    )


def _month(month: str, cells: Sequence[Any]) -> Month:
    return Month(
        month=month,
        total=sum(cell.total for cell in cells),
        sum_amount=_money(cell.amount for cell in cells),
        sum_outstanding=_money(cell.outstanding for cell in cells),
        approved=sum(cell.total for cell in cells if cell.status in APPROVED),
        rejected=sum(cell.total for cell in cells if cell.status == LoanStatus.REJECTED),
    )


def _money(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def _ratio(part: Decimal | int, whole: int) -> Decimal | None:
    if whole == 0:
        return None
    return (Decimal(part) / whole).quantize(FOUR_PLACES, ROUND_HALF_EVEN)
