"""Refusals as pages: what happened, and what to do next."""

import logging
from collections.abc import Callable, Mapping

from flask import Blueprint, Response, g, make_response, render_template
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app import errors
from app.errors import DomainError
from app.web import problems

log = logging.getLogger(__name__)

NEXT: Mapping[type[DomainError], str] = {
    errors.Malformed: "Go back, and send it again from its own page.",
    errors.Unauthenticated: "Log in again.",
    errors.ForeignForm: "Go back, load the page anew, and send the form from there.",
    errors.SecondFactorRequired: "Set it up under your account, and do it again.",
    errors.Forbidden: "Ask an admin of the lender to do it, or to change your role.",
    errors.NotFound: "Look for it in its list: it may have been removed, or be called otherwise.",
    errors.Conflict: "Go back and load the page anew to see how things stand now.",
    errors.Stale: "Go back and load the page anew: somebody has changed it since you opened it.",
    errors.Refused: "Go back and correct it.",
    errors.TooMany: "Wait, and try again.",
    errors.Unavailable: "Try again in a moment. If it goes on, tell whoever runs the service.",
}
NEXT_OF_HTTP: Mapping[int, str] = {
    413: "Go back and send less at once. A file of customers may be split into several.",
    415: "Go back, load the page anew, and send the form from there.",
}


def init(console: Blueprint) -> None:
    console.register_error_handler(DomainError, shown)
    console.register_error_handler(HTTPException, _http)
    console.register_error_handler(PoolTimeout, _no_connection)
    console.register_error_handler(Exception, _bug)


def shown(error: DomainError) -> Response:
    """The refusal as a page."""
    advice = next(NEXT[kind] for kind in type(error).__mro__ if kind in NEXT)
    return headed(_page(500, error.title, error.detail, advice, error), error)


def headed(response: Response, error: DomainError) -> Response:
    """The page with the status of the refusal, and the headers that a program would be told."""
    problem = problems.refusal(error)
    response.status_code = problem.status_code
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in problem.headers:
            response.headers[name] = problem.headers[name]
    return response


def shown_by(respond: Callable[[], Response]) -> Response:
    """What it answers, or its refusal; what is worth another try as it stands goes on as it was."""
    try:
        return respond()
    except DomainError as error:
        if problems.status_of(type(error)) >= 500:
            raise
        return shown(error)


def _http(error: HTTPException) -> Response:
    if error.code == 404:
        return shown(errors.NotFound("There is no such page."))
    status = error.code or 500
    advice = NEXT_OF_HTTP.get(status, NEXT[errors.Malformed])
    return _page(status, error.name, error.description or error.name, advice)


def _no_connection(_: PoolTimeout) -> Response:
    return shown(errors.DatabaseBusy())


def _bug(error: Exception) -> Response:
    log.exception("unhandled exception", exc_info=error)
    return _page(500, "Something went wrong", "The fault is ours.", NEXT[errors.Unavailable])


def _page(
    status: int, title: str, detail: str, advice: str, error: DomainError | None = None
) -> Response:
    told = render_template(
        "console/refusal.html",
        title=title,
        detail=detail,
        advice=advice,
        invalid=error.errors if isinstance(error, errors.Invalid) else {},
        is_login_needed=isinstance(error, errors.Unauthenticated),
        request_id=g.request_id,
    )
    return make_response(told, status)
