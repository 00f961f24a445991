"""The overview: the portfolio in figures and pictures."""

from typing import Any

from flask import Blueprint

from app.console.layout import render
from app.console.page import Made, go, page
from app.errors import NotFound
from app.schemas.console import FiguresFilter
from app.services import recent, reports
from app.services.actor import Actor

bp = Blueprint("home", __name__)


@bp.get("/")
@page(query=FiguresFilter)
def show(actor: Actor, query: dict[str, Any]) -> Made:
    """Sum up the applications of a range of days. Officers begin at the review queue."""
    if not actor.is_admin:
        return go("console.review.show")
    return render(
        "home.html",
        portfolio=reports.portfolio(actor, **query),
        recent=recent.newest(actor, **query),
    )


@bp.get("/<path:rest>")
@page()
def nowhere(_: Actor, **__: str) -> Made:
    """Say that there is no such page."""
    raise NotFound("There is no such page.")
