"""The people who use the service, for admins."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, request

from app.console.layout import options, render
from app.console.page import go, page
from app.console.told import tell
from app.schemas.auth import UserFilter, UserListFilter, UserOut, UserPatchIn
from app.schemas.console import UserForm
from app.services import exports, second_factors, users
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("people", __name__, url_prefix="/users")


@bp.get("/")
@page(query=UserListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the users."""
    found = users.search(actor, **query)
    return render("users.html", found=found, roles=options(UserForm, "role"))


@bp.post("/")
@page(form=UserForm, again=index)
def create(actor: Actor, form: dict[str, Any]) -> Response:
    """Add a user of any role."""
    user = users.register(actor, **form)
    tell(f"{user.email} has been added as {user.role}.")
    return go("console.people.index")


@bp.get("/export")
@page(query=UserFilter)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all users that the list has, in its order, as CSV."""
    return streamed.download(request, exports.of_users(actor, **query), UserOut, None)


@bp.get("/<uuid:user_id>")
@page()
def show(actor: Actor, user_id: UUID) -> str:
    """Show a user, to change them."""
    return render("user.html", user=users.find(actor, user_id), roles=options(UserForm, "role"))


@bp.post("/<uuid:user_id>")
@page(form=UserPatchIn, again=show)
def change(actor: Actor, user_id: UUID, form: dict[str, Any]) -> Response:
    """Change a user's role, activity or nickname, effective on their next request."""
    user = users.change(actor, user_id, **form)
    tell(f"{user.email} has been changed.")
    return go("console.people.show", user_id=user_id)


@bp.post("/<uuid:user_id>/second-factor/reset")
@page(again=show)
def reset_second_factor(actor: Actor, user_id: UUID) -> Response:
    """Take the second factor of a user away, who has lost it."""
    second_factors.reset(actor, user_id)
    tell("The second factor has been taken away. They log in by their password.")
    return go("console.people.show", user_id=user_id)
