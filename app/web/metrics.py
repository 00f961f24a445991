"""Figures for Prometheus, right across gunicorn's workers."""

from functools import cache
from ipaddress import ip_address
from secrets import compare_digest
from time import perf_counter

from flask import Flask, Request, Response, g, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from app import config
from app.errors import Forbidden

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
REQUESTS = Counter("loans_http_requests", "Requests answered.", ("route", "method", "status"))
SECONDS = Histogram("loans_http_request_seconds", "Time to answer.", ("route",))


def init_app(app: Flask) -> None:
    app.after_request(_count)


def exposition(asked: Request) -> Response:
    """The figures of every worker, in Prometheus's text format. Raises Forbidden."""
    settings = config.current()
    if not _may_read(asked, settings.metrics_token):
        raise Forbidden("Send the metrics token as bearer, or ask from this machine.")
    registry = REGISTRY
    if settings.prometheus_multiproc_dir:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read(asked: Request, token: str) -> bool:
    """With the token, or from this machine with no proxy between."""
    _, _, given = asked.headers.get("Authorization", "").partition(" ")
    if token and compare_digest(given.encode(), token.encode()):
        return True
    is_forwarded = "X-Forwarded-For" in asked.headers or "Forwarded" in asked.headers
    return not is_forwarded and ip_address(asked.remote_addr or "0.0.0.0").is_loopback  # noqa: S104


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
