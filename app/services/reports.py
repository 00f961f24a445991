"""What the admins read: the portfolio in figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from sqlalchemy import Row, func, select

from app.db import db
from app.models import Loan, LoanStatus
from app.services.actor import Actor
from app.services.pages import within_days

FOUR_PLACES = Decimal("0.0001")
APPROVED = (LoanStatus.APPROVED, LoanStatus.ACTIVE, LoanStatus.PAID)


@dataclass(frozen=True, slots=True)
class Month:
    """Applications of one calendar month (UTC), `YYYY-MM`."""

    month: str
    total: int
    sum_amount: Decimal


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
    """Sum up the applications made from `first` to `last`, whole UTC days, both included."""
    actor.must_be_admin()  # who sees every loan: no need of visible_loans
    month = func.to_char(Loan.created_at, "YYYY-MM").label("month")
    cells = db.session.execute(
        select(
            Loan.status,
            month,
            func.count().label("total"),
            func.sum(Loan.risk_score).label("risk"),
            func.sum(Loan.amount).label("amount"),
            func.sum(Loan.outstanding).label("outstanding"),
        )
        .where(*within_days(Loan.created_at, first, last))
        .group_by(Loan.status, month)
    ).all()
    return _summed(cells)


def _summed(cells: Sequence[Row[Any]]) -> Portfolio:
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
            Month(
                month,
                sum(cell.total for cell in cells if cell.month == month),
                _money(cell.amount for cell in cells if cell.month == month),
            )
            for month in sorted({cell.month for cell in cells})
        ],
    )


def _money(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def _ratio(part: Decimal | int, whole: int) -> Decimal | None:
    if whole == 0:
        return None
    return (Decimal(part) / whole).quantize(FOUR_PLACES, ROUND_HALF_EVEN)
