"""Bearer tokens: signed names of a log-in session, of which PostgreSQL knows whether it is good."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from time import time
from typing import Any, Literal
from uuid import UUID

from flask import Flask, current_app
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from app import config
from app.config import Settings
from app.errors import Unauthenticated
from app.services.auth import Grant

ALGORITHM = "HS256"
KEY_ID = "1"
CLAIMS = frozenset(("aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub", "type"))

PROVEN_TOKENS_KEPT = 4096
NOT_GOOD = "This token is not good."

TokenType = Literal["access", "refresh"]


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a good token says; `token_id` is the refresh token's own."""

    user_id: UUID
    session_id: UUID
    token_id: UUID
    type: TokenType
    expires_at: int


def init_app(app: Flask, settings: Settings) -> None:
    app.config |= {
        "JWT_SECRET_KEY": settings.secret_key,
        "JWT_ALGORITHM": ALGORITHM,
        "JWT_DECODE_ALGORITHMS": [ALGORITHM],
        "JWT_ENCODE_ISSUER": settings.jwt_issuer,
        "JWT_DECODE_ISSUER": settings.jwt_issuer,
        "JWT_ENCODE_AUDIENCE": settings.jwt_audience,
        "JWT_DECODE_AUDIENCE": settings.jwt_audience,
        "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=settings.access_token_minutes),
        "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=settings.refresh_token_days),
    }
    # A signature once proven stays proven; whether the session is still good is asked every time.
    app.extensions["proven tokens"] = lru_cache(PROVEN_TOKENS_KEPT)(_prove)
    manager = JWTManager(app)

    @manager.decode_key_loader
    def _key(header: dict[str, Any], claims: dict[str, Any]) -> str:
        # The libraries judge a claim only if it is there, and read a missing type as "access".
        if header.get("kid") != KEY_ID or not claims.keys() >= CLAIMS:
            raise Unauthenticated(NOT_GOOD)
        return settings.secret_key


def issue(grant: Grant) -> dict[str, Any]:
    """A new pair of tokens for a session."""
    session = {"sid": str(grant.session_id)}
    header = {"kid": KEY_ID}
    return {
        "access_token": create_access_token(
            str(grant.user_id), additional_claims=session, additional_headers=header
        ),
        "refresh_token": create_refresh_token(
            str(grant.user_id),
            additional_claims={**session, "jti": str(grant.refresh_id)},
            additional_headers=header,
        ),
        "token_type": "Bearer",
        "expires_in": config.current().access_token_minutes * 60,
    }


def read(token: str, expected: Set[TokenType]) -> Bearer:
    """What the token says, its signature, issuer, audience, times and type proven.

    Raises Unauthenticated.
    """
    prove: Callable[[str], Bearer] = current_app.extensions["proven tokens"]
    bearer = prove(token)
    if bearer.expires_at <= time():
        raise Unauthenticated(NOT_GOOD)
    if bearer.type not in expected:
        raise Unauthenticated("This call takes another type of token.")
    return bearer


def _prove(token: str) -> Bearer:
    try:
        claims = decode_token(token)
        if claims["type"] not in ("access", "refresh") or not isinstance(claims["exp"], int):
            raise ValueError("a type or a time of its own making")
        return Bearer(
            UUID(claims["sub"]),
            UUID(claims["sid"]),
            UUID(claims["jti"]),
            claims["type"],
            claims["exp"],
        )
    except (PyJWTError, JWTExtendedException, KeyError, ValueError, TypeError, AttributeError):
        raise Unauthenticated(NOT_GOOD) from None
