"""Failures told to Sentry: what is logged as an error, and what ends a process.

The client patches nothing and sees no request. What it gathers of its own accord is left out, but
for what is named here.
"""

import logging
from typing import TYPE_CHECKING, Any

import sentry_sdk
from flask import g, has_app_context, has_request_context, request
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration

from app.config import Settings
from app.masks import masked

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

KEPT = ("event_id", "timestamp", "level", "logger", "platform", "environment", "sdk")
KEPT_OF_FRAMES = (
    *("filename", "function", "module", "lineno", "in_app"),
    *("pre_context", "context_line", "post_context"),
)
LAST_SECONDS = 2.0


def report(settings: Settings) -> None:
    """Tell the project that the DSN names, in the background."""
    sentry_sdk.init(
        dsn=settings.sentry_dsn,
        environment=settings.app_env,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            AtexitIntegration(callback=lambda *_: None),
            DedupeIntegration(),
            ExcepthookIntegration(),
        ],
        before_send=_impersonal,
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        auto_session_tracking=False,
        send_client_reports=False,
        shutdown_timeout=LAST_SECONDS,
    )


def _impersonal(event: "Event", _: "Hint") -> "Event":
    """What broke and where, of which route; not for whom, nor what they had sent."""
    given: Any = event
    told: Any = {name: given[name] for name in KEPT if name in given}
    if "logentry" in given:
        told["logentry"] = {"message": _first_line(given["logentry"].get("message"))}
    raised = given.get("exception", {}).get("values", ())
    told["exception"] = {"values": [_raised(each) for each in raised]}
    told["tags"] = _origin()
    if "route" in told["tags"]:
        told["transaction"] = told["tags"]["route"]
    return told  # type: ignore[no-any-return]


def _raised(value: dict[str, Any]) -> dict[str, Any]:
    frames = (value.get("stacktrace") or {}).get("frames", ())
    kept = [{name: each.get(name) for name in KEPT_OF_FRAMES} for each in frames]
    return {
        "type": value.get("type"),
        "module": value.get("module"),
        "value": _first_line(value.get("value")),
        "stacktrace": {"frames": kept},
    }


def _first_line(said: object) -> str:
    """PostgreSQL quotes the row in the next."""
    return masked(str(said or "").partition("\n")[0])


def _origin() -> dict[str, str]:
    told: dict[str, str] = {}
    if has_app_context():
        told |= {name: str(g.get(name)) for name in ("request_id", "task_id") if name in g}
    if has_request_context():
        told["method"] = request.method
        told["route"] = request.url_rule.rule if request.url_rule else "unknown"
    return told
