"""Figures for Prometheus, right across gunicorn's workers."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from secrets import compare_digest
from time import perf_counter
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, g, request
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from werkzeug.wsgi import ClosingIterator

from app import config
from app.errors import Forbidden
from app.web import buried, jobs
from app.web.proxies import address_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
# From a kept answer to the longest that a statement may take.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = Counter("loans_http_requests", "Requests answered.", ("route", "method", "status"))
SECONDS = Histogram(
    "loans_http_request_seconds", "Time to answer, by route.", ("route",), buckets=BUCKETS
)
IN_FLIGHT = Gauge(
    "loans_http_requests_in_flight",
    "Requests being answered, to the last byte.",
    multiprocess_mode="livesum",
)
# Whoever adds any of these asks on behalf of somebody else.
OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class _OfFilesMade(MultiProcessCollector):
    """What every process counted, but for one that is just making its file: it is empty yet."""

    def collect(self) -> Iterable[Metric]:
        made = [str(file) for file in Path(self._path).glob("*.db") if file.stat().st_size]
        metrics: Iterable[Metric] = self.merge(made)  # type: ignore[no-untyped-call]
        return metrics


def init_app(app: Flask) -> None:
    app.after_request(_count)
    app.wsgi_app = _in_flight(app.wsgi_app)  # type: ignore[assignment,method-assign]


def exposition(asked: Request) -> Response:
    """The figures of every worker, in Prometheus's text format. Raises Forbidden.

    They begin with what was counted in memory, and end with what PostgreSQL tells.
    """
    settings = config.current()
    if not _may_read(asked, settings.metrics_token):
        raise Forbidden("Send the metrics token as bearer, or ask from this machine.")
    counted = _counted(settings.prometheus_multiproc_dir)
    told = generate_latest(jobs.registry())
    return Response(counted + told, content_type=CONTENT_TYPE_LATEST)


def _counted(folder: str) -> bytes:
    """What every process that shares the folder counted; without one, what this one did."""
    if not folder:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    _OfFilesMade(registry, folder)  # type: ignore[no-untyped-call]
    with buried.unmoved(Path(folder)):
        return generate_latest(registry)


def _may_read(asked: Request, token: str) -> bool:
    """With the token, or from this machine with no proxy between."""
    scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer"
    if token and is_bearer and compare_digest(given.strip().encode(), token.encode()):
        return True
    is_forwarded = any(name in asked.headers for name in OF_PROXIES)
    address = address_of(asked.remote_addr or "")
    return not is_forwarded and address is not None and address.is_loopback


def _in_flight(answer: "WSGIApplication") -> "WSGIApplication":
    """The application, with whom it is at counted: what is streamed, until that has been sent."""

    def counted(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        IN_FLIGHT.inc()
        try:
            answered = answer(environ, start_response)
        except BaseException:
            IN_FLIGHT.dec()
            raise
        return ClosingIterator(answered, IN_FLIGHT.dec)

    return counted


def _count(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    method = request.method if request.method in METHODS else "other"
    requests, seconds = _series(route, method, response.status_code)
    requests.inc()
    seconds.observe(perf_counter() - g.began_at)
    return response


@cache
def _series(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, method, status), SECONDS.labels(route)
