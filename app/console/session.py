"""Who is at the console: a log-in session in PostgreSQL, named by a signed cookie.

The cookie says which session, and nothing of whether it is good: that is asked on each request.
"""

from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask import Request, Response, request
from itsdangerous import BadSignature, URLSafeSerializer

from app import config
from app.errors import Unauthenticated
from app.services import auth
from app.services.actor import Actor
from app.services.auth import Grant
from app.web.identity import origin

COOKIE = "console-session"


def caller(asked: Request, *, needs_totp: bool = True, is_use: bool = True) -> Actor | None:
    """The actor of this moment; None without a session, or with one that has ended.

    What `is_use` of the session has it last. Raises SecondFactorRequired.
    """
    named = _named_by(asked.cookies.get(name_of(COOKIE), ""))
    if named is None:
        return None
    try:
        actor = auth.bearer(*named, needs_totp=needs_totp, at_console=is_use)
    except Unauthenticated:
        return None
    return replace(actor, **origin(asked))


def begin(response: Response, grant: Grant) -> None:
    """Have the browser send the new session from now on, whatever it sent before."""
    value = signer("console session").dumps([grant.user_id.hex, grant.session_id.hex])
    set_cookie(response, COOKIE, str(value))


def end(response: Response) -> None:
    """Have the browser forget the session, which has ended."""
    drop_cookie(response, COOKIE)


def set_cookie(response: Response, name: str, value: str) -> None:
    """A cookie for as long as the browser is open, for this host alone, and for no script."""
    response.set_cookie(
        name_of(name), value, secure=_is_secure(), httponly=True, samesite="Lax", path="/"
    )


def drop_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name_of(name), secure=_is_secure(), httponly=True, samesite="Lax")


def name_of(cookie: str) -> str:
    """Its name; where it travels over TLS alone, one that no other host can set."""
    return f"__Host-{cookie}" if _is_secure() else cookie


def signer(purpose: str) -> URLSafeSerializer:
    """What signs for one purpose, and reads nothing that was signed for another.

    What was signed before SECRET_KEY was replaced is read as long as the former one is there.
    """
    settings = config.current()
    options = {"digest_method": sha256, "key_derivation": "hmac"}
    keys = [key for key in (settings.secret_key_former, settings.secret_key) if key]
    return URLSafeSerializer(keys, salt=purpose, signer_kwargs=options)


def anchor() -> str:
    """What the forms of this browser are bound to: the session of its cookie."""
    return request.cookies.get(name_of(COOKIE), "")


def _is_secure() -> bool:
    """By the environment, not by the request: behind a proxy every request looks plain."""
    return config.current().is_exposed


def _named_by(cookie: str) -> tuple[UUID, UUID] | None:
    try:
        named: Any = signer("console session").loads(cookie)
        user_id, session_id = map(UUID, named)
    except (BadSignature, ValueError, TypeError, AttributeError):
        return None
    return user_id, session_id
