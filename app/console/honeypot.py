"""A log-in that looks like one and leads nowhere, for those who try the usual addresses."""

from flask import Blueprint, Response, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from app.services import honeypot
from app.web import headers
from app.web.identity import origin

bp = Blueprint("honeypot", __name__)


@bp.get("/", defaults={"rest": ""})
@bp.get("/<path:rest>")
def show(**_: str) -> Response:
    """Ask for a name and a password, whatever the address."""
    return _form()


@bp.post("/", defaults={"rest": ""})
@bp.post("/<path:rest>")
def refuse(**_: str) -> Response:
    """Refuse, always alike; who tried is written down, the password is not looked at."""
    honeypot.note(
        address=origin(request)["address"],
        user_agent=request.headers.get("User-Agent", ""),
        name=_name_tried(),
    )
    return _form(is_refused=True)


def _name_tried() -> str:
    try:
        return request.form.get("username", "")
    except HTTPException:  # of a body that cannot be read, or is too large
        return ""


def _form(*, is_refused: bool = False) -> Response:
    page = render_template("console/honeypot.html", is_refused=is_refused)
    return headers.protected(make_response(page))
