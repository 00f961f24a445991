"""One's own second factor: set up, confirmed, renewed and ended.

No form here is done `once`: with a refusal that would undo that the wrong guess was counted.
"""

from typing import Any

from flask import Blueprint, Response

from app.console.layout import render
from app.console.page import CORRECTED, go, page
from app.console.told import tell
from app.schemas.auth import OtpIn, TotpEndIn, TotpIn
from app.services import auth, second_factors, users
from app.services.actor import Actor
from app.web.limits import Pace

bp = Blueprint("second_factor", __name__, url_prefix="/me/second-factor")

TOLD = CORRECTED | {429}
PACE = Pace.SECOND_FACTOR


@bp.get("/")
@page(needs_totp=False)
def show(actor: Actor) -> str:
    """Show whether one has a second factor, and what can be done about it."""
    return render(
        "second_factor.html",
        user=users.find_self(actor),
        is_required=auth.must_have_totp(actor.role),
    )


@bp.post("/")
@page(form=TotpIn, again=show, told=TOLD, needs_totp=False, pace=PACE)
def set_up(actor: Actor, form: dict[str, Any]) -> str:
    """Make the secret, and show it: nobody can read it again."""
    return render("second_factor_new.html", made=second_factors.set_up(actor, **form))


@bp.post("/confirm")
@page(form=OtpIn, again=show, told=TOLD, needs_totp=False, pace=PACE)
def confirm(actor: Actor, form: dict[str, Any]) -> str:
    """Have log-ins take a code from now on, and show the recovery codes."""
    codes = second_factors.confirm(actor, **form)
    return render("recovery_codes.html", codes=codes, is_new=True)


@bp.post("/recovery-codes")
@page(form=OtpIn, again=show, told=TOLD, needs_totp=False, pace=PACE)
def renew(actor: Actor, form: dict[str, Any]) -> str:
    """Make recovery codes, and show them; the former are dead."""
    codes = second_factors.renew_recovery_codes(actor, **form)
    return render("recovery_codes.html", codes=codes, is_new=False)


@bp.post("/end")
@page(form=TotpEndIn, again=show, told=TOLD, needs_totp=False, pace=PACE)
def end(actor: Actor, form: dict[str, Any]) -> Response:
    """Let the password alone open a session again."""
    second_factors.switch_off(actor, **form)
    tell("The second factor has been taken away. Your password alone opens a session.")
    return go("console.second_factor.show")
