"""API keys, for admins: each is shown once, when it is made."""

from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from app.console.layout import options, render
from app.console.page import go, page
from app.console.told import tell
from app.errors import Invalid
from app.schemas.common import ListFilter, Query
from app.schemas.console import ApiKeyForm, ApiKeyLineOut
from app.services import api_keys, exports, names
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("keys", __name__, url_prefix="/api-keys")


@bp.get("/")
@page(query=ListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the keys that still exist, without the keys themselves."""
    found = api_keys.search(actor, **query)
    return render(
        "keys.html",
        found=found,
        callers=names.of_callers(actor, {key.created_by for key in found.items}),
        roles=options(ApiKeyForm, "role"),
    )


@bp.post("/")
@page(form=ApiKeyForm, again=index, once=True)
def create(actor: Actor, form: dict[str, Any]) -> str:
    """Make a key, and show it: nobody can read it again."""
    last = form.pop("expires_on", None)
    if last is not None:
        form["expires_at"] = datetime.combine(last, time.min, UTC) + timedelta(days=1)
        if form["expires_at"] <= datetime.now(UTC):
            raise Invalid({"expires_on": ["Must not be over."]})
    return render("key.html", made=api_keys.create(actor, **form))


@bp.get("/export")
@page(query=Query)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all keys that still exist, without the keys themselves, as CSV."""
    return streamed.download(request, exports.of_api_keys(actor, **query), ApiKeyLineOut, None)


@bp.post("/<uuid:key_id>/revoke")
@page()
def revoke(actor: Actor, key_id: UUID) -> Response:
    """End a key for good."""
    api_keys.revoke(actor, key_id)
    tell("The key has been revoked. It opens nothing any more.")
    return go("console.keys.index")
