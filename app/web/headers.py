"""What a browser is told about our answers: what they may load, and who may show them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response

from app import config
from app.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Headers = list[tuple[str, str]]

_OURS_ALONE = (
    "default-src 'none'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
)
PAGE = f"{_OURS_ALONE}style-src 'self'"
# Both viewers of the OpenAPI document write styles into their pages; ReDoc searches in a worker.
VIEWER = f"{_OURS_ALONE}style-src 'self' 'unsafe-inline'; font-src 'self' data:; worker-src blob:"
# What is no page loads nothing and is shown by nobody, whatever a browser takes it for.
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Also what lets a browser send the Origin of a form: with none at all it would say "null".
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TWO_YEARS = 63_072_000


def init_app(app: Flask, settings: Settings) -> None:
    """Give every answer the headers that keep others out of it; a page has its own policy."""
    common = [*HEADERS.items(), *_over_tls_alone(settings).items()]
    common.append(("Content-Security-Policy", NO_PAGE))
    # Unless a route says otherwise: it may hold a token, or what its caller alone may see.
    unkept = [("Cache-Control", "no-store")]

    def missing(sent: Headers) -> Headers:
        names = {name for name, _ in sent}
        more = [] if "Content-Security-Policy" in names else common
        return more if "Cache-Control" in names else more + unkept

    send_along(app, missing)


def send_along(app: Flask, more: Callable[[Headers], Headers]) -> None:
    """Have every answer sent with `more` headers than those it has, which that is told.

    At the edge: Werkzeug looks at each header of a response several times on its way there.
    """
    answer = app.wsgi_app

    def answered(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: Headers, *exc_info: Any) -> Any:
            return start_response(status, headers + more(headers), *exc_info)

        return answer(environ, start)

    app.wsgi_app = answered  # type: ignore[method-assign]


def protected(response: Response, policy: str = PAGE) -> Response:
    """The page with the headers that keep others out of it; over TLS alone where strangers are."""
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = policy
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.update(_over_tls_alone(config.current()))
    return response


def _over_tls_alone(settings: Settings) -> dict[str, str]:
    """Over plain HTTP browsers pay no heed to it."""
    if not settings.is_exposed:
        return {}
    return {"Strict-Transport-Security": f"max-age={TWO_YEARS}"}
