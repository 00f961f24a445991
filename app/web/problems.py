"""Refusals as HTTP: every one is `application/problem+json` (RFC 9457)."""

import logging
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Flask, Response, g, request
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import HTTP_STATUS_CODES

from app import errors
from app.errors import DomainError

log = logging.getLogger(__name__)

STATUSES: Mapping[type[DomainError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Stale: 412,
    errors.Refused: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
}
MEDIA_TYPE = "application/problem+json"


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, refusal)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(PoolTimeout, _no_connection)
    app.register_error_handler(Exception, _bug)


def status_of(error: type[DomainError]) -> int:
    """The HTTP status of an error's kind."""
    return next(STATUSES[kind] for kind in error.__mro__ if kind in STATUSES)


def refusal(error: DomainError) -> Response:
    """The refusal as a problem."""
    status = status_of(type(error))
    extra = {"errors": error.errors} if isinstance(error, errors.Invalid) else {}
    response = _problem(status, error.code(), error.title, error.detail, **extra)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="loan-service"'
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 503:
        log.error("unavailable", extra={"cause": repr(error.__cause__ or error)})
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    title = HTTP_STATUS_CODES.get(status, "Error")
    code = title.lower().replace(" ", "-").replace("'", "")
    response = _problem(status, code, title, error.description or f"{title}.")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _no_connection(_: PoolTimeout) -> Response:
    return refusal(errors.DatabaseBusy())


def _bug(error: Exception) -> Response:
    log.exception("unhandled exception", exc_info=error)
    return _problem(
        500, "internal-server-error", "Internal Server Error", "Something went wrong on our side."
    )


def _problem(status: int, code: str, title: str, detail: str, **extra: Any) -> Response:
    body = {
        "type": f"/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "message": detail,
        "request_id": g.get("request_id", ""),
        **extra,
    }
    if request.method == "HEAD":
        return Response(status=status, mimetype=MEDIA_TYPE)
    # The errors of a list are told by position.
    written = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    return Response(written, status, mimetype=MEDIA_TYPE)
