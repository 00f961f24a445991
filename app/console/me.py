"""One's own account."""

from typing import Any

from flask import Blueprint, Response

from app.console.layout import render
from app.console.page import go, page
from app.console.told import tell
from app.schemas.auth import PasswordChangeIn
from app.services import users
from app.services.actor import Actor
from app.web.limits import Pace

bp = Blueprint("me", __name__, url_prefix="/me")


@bp.get("/")
@page(needs_totp=False)
def show(actor: Actor) -> str:
    """Show who one is here."""
    return render("me.html", user=users.find_self(actor))


@bp.post("/password")
@page(form=PasswordChangeIn, again=show, needs_totp=False, pace=Pace.SECOND_FACTOR)
def change_password(actor: Actor, form: dict[str, Any]) -> Response:
    """Set a new password and end one's other sessions."""
    users.change_password(actor, **form)
    tell("The password has been changed. Your other sessions have ended.")
    return go("console.me.show")
