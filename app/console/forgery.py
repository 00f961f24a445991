"""Forms come from our own pages: each carries a token, and its origin is looked at, too.

The token is bound to the session, or before there is one to a visit that the log-in page begins.
"""

import hmac
from hashlib import sha256
from secrets import token_urlsafe
from urllib.parse import urlsplit

from flask import Request, Response, g, request

from app import config
from app.console import session
from app.errors import ForeignForm
from app.web.uploads import Incoming

FIELD, HEADER = "csrf", "X-CSRF-Token"
VISIT = "console-visit"


def token() -> str:
    """The token of the forms on the page that is being made."""
    return _of(session.anchor() if g.get("actor") else _visit())


def must_be_ours(asked: Request, incoming: Incoming | None = None) -> None:
    """Raise ForeignForm unless one of our pages sent it, for this very session or visit.

    Of a form that is `incoming` nothing is read beyond the fields before its file.
    """
    source = asked.headers.get("Origin") or asked.headers.get("Referer") or ""
    if not _is_here(source, asked.host):
        raise ForeignForm("The form was sent from another site, or a proxy has changed the host.")
    fields = asked.form if incoming is None else incoming.fields
    sent = asked.headers.get(HEADER) or fields.get(FIELD, "")
    if not hmac.compare_digest(sent.encode(), token().encode()):
        raise ForeignForm("The form is not of this session. Open its page anew and send it there.")


def keep_visit(response: Response) -> None:
    """Begin the visit that the log-in form was bound to, if the browser is not in one."""
    if "visit" in g:
        session.set_cookie(response, VISIT, g.visit)


def _visit() -> str:
    found = request.cookies.get(session.name_of(VISIT), "")
    if not found and "visit" not in g:
        g.visit = token_urlsafe(24)
    return found or str(g.visit)


def _of(anchor: str) -> str:
    key = config.current().secret_key.encode()
    return hmac.digest(key, f"console form {anchor}".encode(), sha256).hex()


def _is_here(source: str, host: str) -> bool:
    """Whether it names this host; behind a proxy the scheme may be another."""
    try:
        named = urlsplit(source)
    except ValueError:
        return False
    return named.scheme in ("http", "https") and named.netloc.lower() == host.lower()
