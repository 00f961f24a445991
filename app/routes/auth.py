"""Registration, log-in, users and API keys."""

from typing import Any
from uuid import UUID

from flask import Blueprint, request

from app.errors import (
    AdminOnly,
    ApiKeyNotFound,
    EmailTaken,
    InvalidCredentials,
    LastAdmin,
    OtpRequired,
    OwnSecondFactor,
    Stale,
    TooMany,
    TotpActive,
    TotpInactive,
    UserNotFound,
    UserOnly,
    WeakPassword,
    WrongOtp,
    WrongPassword,
)
from app.schemas.auth import (
    ApiKeyIn,
    ApiKeyOut,
    LoginIn,
    NewApiKeyOut,
    NicknameIn,
    OtpIn,
    PasswordChangeIn,
    RecoveryCodesOut,
    RegisterIn,
    TokenPairOut,
    TotpEndIn,
    TotpIn,
    TotpOut,
    UserListFilter,
    UserOut,
    UserPatchIn,
)
from app.schemas.common import ListFilter
from app.services import api_keys, auth, second_factors, users
from app.services.actor import Actor
from app.web import tokens
from app.web.endpoint import endpoint
from app.web.identity import Credential, origin
from app.web.limits import Pace
from app.web.tokens import Bearer

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.post("/register")
@endpoint(
    body=RegisterIn,
    returns=UserOut,
    status=201,
    credential=Credential.OPTIONAL,
    pace=Pace.REGISTER,
    location="/auth/users/{id}",
    raises=(AdminOnly, EmailTaken, WeakPassword),
)
def register(actor: Actor | None, body: dict[str, Any]) -> object:
    """Add a user; the very first becomes admin."""
    return users.register(actor, **body)


@bp.post("/login")
@endpoint(
    body=LoginIn,
    returns=TokenPairOut,
    credential=Credential.NONE,
    pace=Pace.LOGIN,
    raises=(InvalidCredentials, OtpRequired, TooMany),
)
def login(body: dict[str, Any]) -> object:
    """Log in with e-mail and password, and with a one-time password where there is a second factor.

    `otp` is what the authenticator app shows, or a recovery code; each works once. Where it is
    missing and the password was right, the refusal is `otp-required`, which tells that it was. A
    wrong one is refused as a wrong password is. Where there is no second factor nobody looks at it.
    """
    return tokens.issue(auth.log_in(**body, **origin(request)))


@bp.post("/refresh")
@endpoint(returns=TokenPairOut, credential=Credential.REFRESH, pace=Pace.REFRESH)
def refresh(bearer: Bearer) -> object:
    """Trade the refresh token, sent as bearer, for a new pair; it works once."""
    return tokens.issue(auth.refresh(bearer.user_id, bearer.session_id, bearer.token_id))


@bp.post("/logout")
@endpoint(status=204, credential=Credential.ANY_TOKEN, needs_totp=False, raises=(UserOnly,))
def logout(actor: Actor) -> None:
    """End the session: its access and refresh tokens are dead at once."""
    auth.log_out(actor)


@bp.get("/users")
@endpoint(query=UserListFilter, returns=UserOut, raises=(AdminOnly,))
def index_users(actor: Actor, query: dict[str, Any]) -> object:
    """List the users."""
    return users.search(actor, **query)


@bp.get("/users/me")
@endpoint(returns=UserOut, needs_totp=False, raises=(UserOnly,))
def show_me(actor: Actor) -> object:
    """Show the user behind the credential."""
    return users.find_self(actor)


@bp.patch("/users/me")
@endpoint(
    body=NicknameIn,
    returns=UserOut,
    needs_totp=False,
    conditional=True,
    raises=(UserOnly, Stale),
)
def change_me(actor: Actor, body: dict[str, Any]) -> object:
    """Change one's own nickname."""
    return users.change_self(actor, **body)


@bp.post("/users/me/password")
@endpoint(
    body=PasswordChangeIn,
    status=204,
    needs_totp=False,
    pace=Pace.SECOND_FACTOR,
    raises=(UserOnly, WrongPassword, WeakPassword, TooMany),
)
def change_password(actor: Actor, body: dict[str, Any]) -> None:
    """Set a new password and end the user's other sessions."""
    users.change_password(actor, **body)


@bp.post("/users/me/totp")
@endpoint(
    body=TotpIn,
    returns=TotpOut,
    status=201,
    needs_totp=False,
    pace=Pace.SECOND_FACTOR,
    raises=(UserOnly, WrongPassword, TotpActive, TooMany),
)
def set_up_totp(actor: Actor, body: dict[str, Any]) -> object:
    """Make the secret of a second factor, which counts once it is confirmed; shown once."""
    return second_factors.set_up(actor, **body)


@bp.post("/users/me/totp/confirm")
@endpoint(
    body=OtpIn,
    returns=RecoveryCodesOut,
    needs_totp=False,
    pace=Pace.SECOND_FACTOR,
    raises=(UserOnly, TotpActive, TotpInactive, WrongOtp, TooMany),
)
def confirm_totp(actor: Actor, body: dict[str, Any]) -> object:
    """Activate the second factor by a code of it, and end the user's other sessions.

    Log-ins take a code from then on. The recovery codes stand in for one each, and are shown once.
    """
    return {"recovery_codes": second_factors.confirm(actor, **body)}


@bp.post("/users/me/totp/recovery-codes")
@endpoint(
    body=OtpIn,
    returns=RecoveryCodesOut,
    needs_totp=False,
    pace=Pace.SECOND_FACTOR,
    raises=(UserOnly, TotpInactive, WrongOtp, TooMany),
)
def renew_recovery_codes(actor: Actor, body: dict[str, Any]) -> object:
    """Make new recovery codes; the former are dead."""
    return {"recovery_codes": second_factors.renew_recovery_codes(actor, **body)}


@bp.delete("/users/me/totp")
@endpoint(
    body=TotpEndIn,
    status=204,
    needs_totp=False,
    pace=Pace.SECOND_FACTOR,
    raises=(UserOnly, WrongPassword, TotpInactive, WrongOtp, TooMany),
)
def switch_off_totp(actor: Actor, body: dict[str, Any]) -> None:
    """End one's second factor: the password alone opens a session again."""
    second_factors.switch_off(actor, **body)


@bp.get("/users/<uuid:user_id>")
@endpoint(returns=UserOut, raises=(UserNotFound,))
def show_user(actor: Actor, user_id: UUID) -> object:
    """Show a user: any for an admin, else oneself."""
    return users.find(actor, user_id)


@bp.patch("/users/<uuid:user_id>")
@endpoint(
    body=UserPatchIn,
    returns=UserOut,
    conditional=True,
    raises=(AdminOnly, UserNotFound, LastAdmin, Stale),
)
def change_user(actor: Actor, user_id: UUID, body: dict[str, Any]) -> object:
    """Change a user's role, activity or nickname, effective on their next request."""
    return users.change(actor, user_id, **body)


@bp.delete("/users/<uuid:user_id>/totp")
@endpoint(status=204, raises=(AdminOnly, UserNotFound, OwnSecondFactor, TotpInactive))
def reset_totp(actor: Actor, user_id: UUID) -> None:
    """Take another user's second factor away, who has lost it."""
    second_factors.reset(actor, user_id)


@bp.post("/api-keys")
@endpoint(body=ApiKeyIn, returns=NewApiKeyOut, status=201, raises=(AdminOnly,))
def create_api_key(actor: Actor, body: dict[str, Any]) -> object:
    """Make an API key; this answer alone shows it."""
    return api_keys.create(actor, **body)


@bp.get("/api-keys")
@endpoint(query=ListFilter, returns=ApiKeyOut, raises=(AdminOnly,))
def index_api_keys(actor: Actor, query: dict[str, Any]) -> object:
    """List the API keys, without the keys themselves."""
    return api_keys.search(actor, **query)


@bp.delete("/api-keys/<uuid:key_id>")
@endpoint(status=204, raises=(AdminOnly, ApiKeyNotFound))
def revoke_api_key(actor: Actor, key_id: UUID) -> None:
    """End an API key for good."""
    api_keys.revoke(actor, key_id)
