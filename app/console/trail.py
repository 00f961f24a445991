"""The audit trail, and who tried the log-in that leads nowhere."""

from typing import Any

from flask import Blueprint, Response, request

from app.console.layout import render
from app.console.page import page
from app.schemas.common import ListFilter, Query
from app.schemas.console import HoneypotVisitOut
from app.schemas.reports import AuditEventOut, AuditFilter, AuditListFilter
from app.services import audit, exports, honeypot, names
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("trail", __name__, url_prefix="/audit")


@bp.get("/")
@page(query=AuditListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List who did what to which record, newest first."""
    found = audit.search(actor, **query)
    actors = {event.actor_id for event in found.items if event.actor_id}
    return render("audit.html", found=found, callers=names.of_callers(actor, actors))


@bp.get("/export")
@page(query=AuditFilter)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all events that the list has, in its order, as CSV."""
    return streamed.download(request, exports.of_audit(actor, **query), AuditEventOut, None)


@bp.get("/honeypot")
@page(query=ListFilter)
def attempts(actor: Actor, query: dict[str, Any]) -> str:
    """List who tried the log-in that leads nowhere, newest first."""
    return render("honeypot_visits.html", found=honeypot.search(actor, **query))


@bp.get("/honeypot/export")
@page(query=Query)
def export_attempts(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all attempts that were written down, newest first, as CSV."""
    asked = exports.of_honeypot_visits(actor, **query)
    return streamed.download(request, asked, HoneypotVisitOut, None)
