"""Which other sites' pages may call the service, and what they may send and read (CORS)."""

from flask import Flask
from flask_cors import CORS

from app.config import Settings

METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST")
SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match")
READ = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Page",
    "X-Page-Size",
    "X-Request-ID",
    "X-Total-Count",
)
PREFLIGHT_SECONDS = 600


def init_app(app: Flask, settings: Settings) -> None:
    """Let the pages of CORS_ORIGINS in; never with cookies, and by a wildcard as a wildcard."""
    if settings.cors_origins:
        CORS(
            app,
            origins=list(settings.cors_origins),
            methods=list(METHODS),
            allow_headers=[*SENT, settings.api_key_header, "X-Request-ID"],
            expose_headers=list(READ),
            max_age=PREFLIGHT_SECONDS,
            supports_credentials=False,
            send_wildcard=True,
            always_send=False,
        )
