"""What a browser is told about our pages: what they may load, and who may show them."""

from flask import Response

from app import config

_OURS_ALONE = (
    "default-src 'none'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
)
PAGE = f"{_OURS_ALONE}style-src 'self'"
# Both viewers of the OpenAPI document write styles into their pages; ReDoc searches in a worker.
VIEWER = f"{_OURS_ALONE}style-src 'self' 'unsafe-inline'; font-src 'self' data:; worker-src blob:"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Also what lets a browser send the Origin of a form: with none at all it would say "null".
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TWO_YEARS = 63_072_000


def protected(response: Response, policy: str = PAGE) -> Response:
    """The page with the headers that keep others out of it; over TLS alone where strangers are."""
    response.headers.update(HEADERS)
    response.headers["Content-Security-Policy"] = policy
    response.headers.setdefault("Cache-Control", "no-store")
    if config.current().is_exposed:
        response.headers["Strict-Transport-Security"] = f"max-age={TWO_YEARS}"
    return response
