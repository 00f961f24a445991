"""The audit trail, and who tried the log-in that leads nowhere."""

from typing import Any

from flask import Blueprint

from app.console.layout import render
from app.console.page import page
from app.schemas.common import ListFilter
from app.schemas.reports import AuditFilter
from app.services import audit, honeypot, names
from app.services.actor import Actor

bp = Blueprint("trail", __name__, url_prefix="/audit")


@bp.get("/")
@page(query=AuditFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List who did what to which record, newest first."""
    found = audit.search(actor, **query)
    actors = {event.actor_id for event in found.items if event.actor_id}
    return render("audit.html", found=found, callers=names.of_callers(actor, actors))


@bp.get("/honeypot")
@page(query=ListFilter)
def attempts(actor: Actor, query: dict[str, Any]) -> str:
    """List who tried the log-in that leads nowhere, newest first."""
    return render("honeypot_visits.html", found=honeypot.search(actor, **query))
