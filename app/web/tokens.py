"""Bearer tokens: signed names of a log-in session, of which PostgreSQL knows whether it is good.

Each names the key that it is signed with in its header.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from time import monotonic, time
from typing import Any, Literal
from uuid import UUID

from flask import Flask, current_app, g
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    decode_token,
)
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError, get_unverified_header

from app import config
from app.config import Settings
from app.errors import Unauthenticated
from app.services import signing_keys
from app.services.auth import Grant
from app.services.signing_keys import Key

ALGORITHM = "HS256"
CLAIMS = frozenset(("aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub", "type"))

PROVEN_TOKENS_KEPT = 4096
# How far apart two machines' clocks may be; a token ends at its time on each, all the same.
CLOCKS_APART = 60
# For how long a process may not know that a key was taken back, which ends each session anyway.
KEYS_SECONDS = 5.0
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
        "JWT_ALGORITHM": ALGORITHM,
        "JWT_DECODE_ALGORITHMS": [ALGORITHM],
        "JWT_DECODE_LEEWAY": CLOCKS_APART,
        "JWT_ENCODE_ISSUER": settings.jwt_issuer,
        "JWT_DECODE_ISSUER": settings.jwt_issuer,
        "JWT_ENCODE_AUDIENCE": settings.jwt_audience,
        "JWT_DECODE_AUDIENCE": settings.jwt_audience,
        "JWT_ACCESS_TOKEN_EXPIRES": timedelta(minutes=settings.access_token_minutes),
        "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=settings.refresh_token_days),
    }
    # A signature once proven stays proven; whether the session is still good is asked every time.
    app.extensions["proven tokens"] = lru_cache(PROVEN_TOKENS_KEPT)(_prove)
    app.extensions["signing keys"] = _KnownKeys()
    manager = JWTManager(app)

    @manager.encode_key_loader
    def _signing_key(_: str) -> str:
        key: Key = g.signing_key
        return key.secret

    @manager.decode_key_loader
    def _key(header: dict[str, Any], claims: dict[str, Any]) -> str:
        # The libraries judge a claim only if it is there, and read a missing type as "access".
        if not claims.keys() >= CLAIMS:
            raise Unauthenticated(NOT_GOOD)
        return _known().find(header.get("kid")).secret


class _KnownKeys:
    """The keys that this process knows, read anew when a token names another, or in a while."""

    def __init__(self) -> None:
        self._keys: Mapping[str, Key] = {}
        self._read_at = -KEYS_SECONDS

    def find(self, name: object) -> Key:
        """The key of that name. Raises Unauthenticated where none counts."""
        if not isinstance(name, str):
            raise Unauthenticated(NOT_GOOD)
        if name not in self._keys or monotonic() >= self._read_at + KEYS_SECONDS:
            self._read()
        key = self._keys.get(name)
        if key is None:
            raise Unauthenticated(NOT_GOOD)
        return key

    def _read(self) -> None:
        """What was proven by others than those that there are now has to be proven again."""
        living = signing_keys.living()
        if living != self._keys:
            current_app.extensions["proven tokens"].cache_clear()
        self._keys, self._read_at = living, monotonic()


def _known() -> _KnownKeys:
    known: _KnownKeys = current_app.extensions["signing keys"]
    return known


def issue(grant: Grant) -> dict[str, Any]:
    """A new pair of tokens for a session."""
    session = {"sid": str(grant.session_id)}
    g.signing_key = signing_keys.signing()
    header = {"kid": g.signing_key.name}
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
        retires_at = _known().find(get_unverified_header(token)["kid"]).retires_at
        return Bearer(
            UUID(claims["sub"]),
            UUID(claims["sid"]),
            UUID(claims["jti"]),
            claims["type"],
            min(claims["exp"], int(retires_at.timestamp())) if retires_at else claims["exp"],
        )
    except (PyJWTError, JWTExtendedException, KeyError, ValueError, TypeError, AttributeError):
        raise Unauthenticated(NOT_GOOD) from None
