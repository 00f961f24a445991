"""Reports for admins."""

from collections.abc import Iterable, Sequence
from typing import Any

from flask import Blueprint

from app.errors import AdminOnly
from app.schemas.reports import AuditEventOut, AuditListFilter, PortfolioFilter, PortfolioOut
from app.services import audit, reports
from app.services.actor import Actor
from app.web.endpoint import endpoint
from app.web.remembered import Cached

bp = Blueprint("reports", __name__, url_prefix="/reports")


def _portfolio_rows(result: reports.Portfolio) -> Iterable[Sequence[object]]:
    yield "figure", "of", "value"
    yield "total", "", result.total
    for status, total in result.by_status.items():
        yield "by_status", status, total
    for name in (
        "avg_risk_score",
        "sum_amount",
        "sum_outstanding",
        "approval_rate",
        "flagged_rate",
    ):
        yield name, "", getattr(result, name)
    for month in result.by_month:
        yield "by_month.total", month.month, month.total
        yield "by_month.sum_amount", month.month, month.sum_amount


@bp.get("/portfolio")
@endpoint(
    query=PortfolioFilter,
    returns=PortfolioOut,
    table=_portfolio_rows,
    raises=(AdminOnly,),
    cached=Cached("loans", "portfolio"),
)
def portfolio(actor: Actor, query: dict[str, Any]) -> object:
    """Sum up the applications of a range of days, as JSON or CSV."""
    query.pop("format", None)
    return reports.portfolio(actor, **query)


@bp.get("/audit")
@endpoint(query=AuditListFilter, returns=AuditEventOut, raises=(AdminOnly,))
def trail(actor: Actor, query: dict[str, Any]) -> object:
    """Page through who did what to which record, newest first."""
    return audit.search(actor, **query)
