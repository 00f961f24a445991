"""Coming in and going out."""

from typing import Any

from flask import Blueprint, Response, make_response, redirect, request, url_for

from app.console import session
from app.console.layout import render
from app.console.page import go, page
from app.schemas.console import LogInForm, LogInQuery
from app.services import auth
from app.services.actor import Actor
from app.web.identity import origin
from app.web.limits import Pace

bp = Blueprint("door", __name__)

TOLD = frozenset((401, 403, 422, 429))


@bp.get("/login")
@page(query=LogInQuery, is_open=True)
def show(query: dict[str, Any]) -> str:
    """Ask who is there."""
    return render("login.html", next=query.get("next", ""))


@bp.post("/login")
@page(form=LogInForm, is_open=True, again=show, told=TOLD, pace=Pace.LOGIN)
def log_in(form: dict[str, Any]) -> Response:
    """Begin a session of the console's own, whatever the browser was in before."""
    there = form.pop("next", "")
    former = session.caller(request, needs_totp=False)
    grant = auth.log_in(**form, **origin(request), at_console=True)
    if former is not None:
        auth.log_out(former)
    response = make_response(redirect(_within(there), 303))
    session.begin(response, grant)
    return response


@bp.post("/logout")
@page(needs_totp=False)
def log_out(actor: Actor) -> Response:
    """End the session: it is dead at once, wherever its cookie has got to."""
    auth.log_out(actor)
    response = go("console.door.show")
    session.end(response)
    return response


def _within(there: str) -> str:
    """A page of the console, and nowhere else, whatever the address was made to say."""
    home = url_for("console.home.show")
    is_plain = there.isprintable() and there.isascii() and "\\" not in there
    return there if is_plain and there.startswith(home) and "//" not in there else home
