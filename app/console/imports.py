"""Imports of customers: a file sent, worked on as one watches, and what was refused of it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, make_response, request

from app import config
from app.console.layout import render
from app.console.page import Made, go, page
from app.console.told import tell
from app.schemas.imports import ImportFilter, ImportQuery, RefusedLineOut
from app.services import exports, imports, names
from app.services.actor import Actor
from app.web import streamed
from app.web.uploads import Upload

bp = Blueprint("imports", __name__, url_prefix="/imports")

# What the page of an import is told once there is nothing more to watch.
ENDED = "import-ended"


@bp.get("/")
@page(query=ImportFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the imports, newest first."""
    found = imports.search(actor, **query)
    return render(
        "imports.html",
        found=found,
        callers=names.of_callers(actor, {each.created_by for each in found.items}),
        most=config.current().max_import_bytes,
    )


@bp.post("/")
@page(form=ImportQuery, upload=Upload(imports.stage, imports.forget), again=index, once=True)
def create(actor: Actor, form: dict[str, Any], upload: imports.Staged) -> Response:
    """Take in a file of customers, and go where one sees what comes of it."""
    record = imports.accept(actor, upload, is_dry_run=form["dry_run"])
    tell(f"{record.filename} has been taken in.")
    return go("console.imports.show", import_id=record.id)


@bp.get("/<uuid:import_id>")
@page(query=ImportFilter)
def show(actor: Actor, import_id: UUID, query: dict[str, Any]) -> str:
    """Show how far an import is, and the lines that were refused so far."""
    record = imports.find(actor, import_id)
    return render(
        "import.html",
        record=record,
        refused=imports.refused_lines(actor, import_id, **query),
        callers=names.of_callers(actor, {record.created_by}),
        ended=ENDED,
    )


@bp.get("/<uuid:import_id>/progress")
@page(is_polled=True)
def progress(actor: Actor, import_id: UUID) -> Made:
    """Show how far it is, to its page, which asks again and again; others are led to that page."""
    if "HX-Request" not in request.headers:
        return go("console.imports.show", import_id=import_id)
    record = imports.find(actor, import_id)
    shown = make_response(render("_progress.html", record=record, is_polled=True))
    if not record.is_under_way:
        shown.headers["HX-Trigger"] = ENDED
    return shown


@bp.get("/<uuid:import_id>/errors/export")
@page()
def export(actor: Actor, import_id: UUID) -> Response:
    """Save all lines that were refused, in the file's order, as CSV."""
    refused = exports.of_refused_lines(actor, import_id)
    return streamed.download(request, refused, RefusedLineOut, None)
