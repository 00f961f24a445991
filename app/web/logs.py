"""One JSON line an event: its request's or task's id on each, a line for every request, nothing
personal."""

import json
import logging
import re
import sys
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from time import perf_counter
from types import TracebackType
from typing import Any, TextIO
from uuid import uuid4

import orjson
import structlog
from flask import Flask, Response, g, has_app_context, request

from app.config import Settings
from app.masks import masked
from app.web.headers import send_along

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
log = logging.getLogger(__name__)
_root = logging.getLogger("app")
IDS = ("request_id", "task_id", "trace_id")
# Others' own, for what is amiss with them: all else has a line of ours.
BESIDE = (
    *("celery", "gunicorn.error", "kombu", "multiprocessing"),
    *("opentelemetry", "sentry_sdk", "urllib3"),
)


class Lines(logging.StreamHandler[TextIO]):
    """Writes what loggers say, and lines that are ready."""

    def write(self, line: bytes) -> None:
        """Write one line. A log that cannot be written fails no request."""
        with self.lock or nullcontext(), suppress(OSError, ValueError):
            self.stream.write(line.decode() + self.terminator)
            self.flush()


def init_app(app: Flask, settings: Settings) -> None:
    configure(settings.log_level)
    app.before_request(_begin)
    app.after_request(_finish)
    # One that broke off before it had an id is answered all the same.
    send_along(app, lambda _: [("X-Request-ID", g.request_id)] if "request_id" in g else [])


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if SANE_ID.fullmatch(given) else uuid4().hex
    g.began_at = perf_counter()


def _finish(response: Response) -> Response:
    if log.isEnabledFor(logging.INFO):
        _write_request(response)
    return response


def _write_request(response: Response) -> None:
    """The line of a request, as a logger would write it, without a logger's ado for each.

    Nothing of it is the caller's own words, so there is nothing to mask or to defuse.
    """
    line = orjson.dumps(
        {
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "status": response.status_code,
            "ms": round((perf_counter() - g.began_at) * 1000, 1),
            "event": "request",
            "level": "info",
            "logger": __name__,
            "timestamp": datetime.now(UTC),
            **_origin(),
        },
        option=orjson.OPT_UTC_Z,
    )
    for handler in _root.handlers:
        if isinstance(handler, Lines):
            handler.write(line)


def _origin() -> dict[str, Any]:
    """On whose behalf: which request or task, and which user or key, if one was recognized."""
    kept = vars(g)  # once: each look at `g` goes through a proxy
    told = {name: kept[name] for name in IDS if name in kept}
    if actor := kept.get("actor"):
        told |= {"actor": actor.id, "actor_kind": actor.kind}
    return told


def _as_json(event: Any, **_: Any) -> str:
    """In ASCII, with all else escaped: nothing steers a terminal, or looks like another line."""
    return json.dumps(_impersonal(event), default=_as_text, separators=(",", ":"))


def _impersonal(told: Any) -> Any:
    if isinstance(told, str):
        return masked(told)
    if isinstance(told, dict):
        return {name: _impersonal(each) for name, each in told.items()}
    if isinstance(told, list | tuple):
        return [_impersonal(each) for each in told]
    return told


def _as_text(value: object) -> str:
    return masked(str(value))


_describe = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def _describe_impersonally(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None],
) -> list[dict[str, Any]]:
    """Neither local variables nor more than a first line: PostgreSQL quotes the row in the next."""
    described = _describe(exc_info)
    for each in described:
        each["exc_value"] = each["exc_value"].partition("\n")[0]
    return described


def configure(level: str) -> None:
    """Send every logger's lines through structlog's JSON renderer: one line each, all escaped."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_origin,
        _leave_out_query,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.ExceptionRenderer(_describe_impersonally),
            structlog.processors.JSONRenderer(serializer=_as_json),
        ],
    )
    handler = Lines(sys.stderr)
    handler.setFormatter(formatter)
    _root.handlers = [handler]
    _root.propagate = False
    _root.setLevel(level)
    for name in BESIDE:
        beside = logging.getLogger(name)
        beside.handlers = [handler]
        beside.propagate = False
        beside.setLevel(max(_root.level, logging.WARNING))


def _add_origin(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    return event | _origin() if has_app_context() else event


def _leave_out_query(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Of the URL of a request that broke off, which gunicorn tells: it may ask for somebody."""
    if event["logger"] == "gunicorn.error":
        event["event"] = event["event"].partition("?")[0]
    return event
