"""From a request's credential to the actor behind it."""

from dataclasses import replace
from enum import Enum
from typing import TypedDict

from flask import Request, g

from app import config
from app.errors import Malformed, Unauthenticated
from app.services import api_keys, auth
from app.services.actor import Actor
from app.services.along import NOTHING, Along
from app.web import tokens
from app.web.tokens import Bearer, TokenType


class Origin(TypedDict):
    request_id: str
    address: str | None


class Credential(Enum):
    """What a route asks of its caller."""

    NONE = "none"
    OPTIONAL = "an access token or an API key, if any"
    REQUIRED = "an access token or an API key"
    ANY_TOKEN = "an access or a refresh token, or an API key"  # noqa: S105 (no secret)
    REFRESH = "a refresh token"


def identify(
    request: Request,
    *,
    also_by_refresh_token: bool = False,
    needs_totp: bool = True,
    along: Along = NOTHING,
) -> Actor | None:
    """The actor of this moment, with what is read `along`; None without a credential.

    Raises Malformed for two credentials, Unauthenticated for one that is not good,
    SecondFactorRequired.
    """
    authorization, api_key = _credentials(request)
    if api_key is not None:
        actor = api_keys.holder(api_key, along)
    elif authorization is not None:
        types: set[TokenType] = {"access", "refresh"} if also_by_refresh_token else {"access"}
        bearer = tokens.read(_bearer_token(authorization), types)
        actor = auth.bearer(bearer.user_id, bearer.session_id, along, needs_totp=needs_totp)
    else:
        return None
    g.actor = actor = replace(actor, **origin(request))
    return actor


def refresh_token(request: Request) -> Bearer:
    """What the refresh token says that was sent as bearer. Raises Malformed, Unauthenticated."""
    authorization, _ = _credentials(request)
    return tokens.read(_bearer_token(authorization or ""), {"refresh"})


def origin(request: Request) -> Origin:
    """Where a request comes from, for the audit trail."""
    # Without the zone of a link-local address; a Unix socket's peer has no address at all.
    address, _, _ = (request.remote_addr or "").partition("%")
    return {"request_id": g.request_id, "address": address or None}


def _credentials(request: Request) -> tuple[str | None, str | None]:
    authorization = request.headers.get("Authorization")
    api_key = request.headers.get(config.current().api_key_header)
    if authorization is not None and api_key is not None:
        raise Malformed("Send one credential: a bearer token or an API key.")
    return authorization, api_key


def _bearer_token(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send Authorization: Bearer <token>.")
    return token.strip()
