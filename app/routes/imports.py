"""Imports of customers."""

from typing import Any
from uuid import UUID

from flask import Blueprint

from app.errors import ImportAbandoned, ImportNotFound, StaffOnly
from app.schemas.imports import ImportFilter, ImportOut, ImportQuery, RefusedLineOut
from app.services import imports
from app.services.actor import Actor
from app.web.endpoint import endpoint
from app.web.uploads import Upload

bp = Blueprint("imports", __name__, url_prefix="/customers/imports")


@bp.post("")
@endpoint(
    upload=Upload(imports.stage, imports.forget),
    query=ImportQuery,
    returns=ImportOut,
    status=202,
    location="/customers/imports/{id}",
    raises=(StaffOnly, ImportAbandoned),
)
def create(actor: Actor, upload: imports.Staged, query: dict[str, Any]) -> object:
    """Import customers from a file.

    Lines `external_id,credit_limit[,preapproved_at]` as CSV in UTF-8, with a header or without. It
    is worked on after the answer; the record told by `Location` says how far that is.
    """
    return imports.accept(actor, upload, is_dry_run=query["dry_run"])


@bp.get("")
@endpoint(query=ImportFilter, returns=ImportOut, raises=(StaffOnly,))
def index(actor: Actor, query: dict[str, Any]) -> object:
    """List the imports, newest first."""
    return imports.search(actor, **query)


@bp.get("/<uuid:import_id>")
@endpoint(returns=ImportOut, raises=(StaffOnly, ImportNotFound))
def show(actor: Actor, import_id: UUID) -> object:
    """Show how far an import is."""
    return imports.find(actor, import_id)


@bp.get("/<uuid:import_id>/errors")
@endpoint(query=ImportFilter, returns=RefusedLineOut, raises=(StaffOnly, ImportNotFound))
def errors(actor: Actor, import_id: UUID, query: dict[str, Any]) -> object:
    """List the lines that were refused, in the file's order, and why."""
    return imports.refused_lines(actor, import_id, **query)
