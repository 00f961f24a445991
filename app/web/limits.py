"""How often a caller and an address may ask: strictly where secrets are guessed at, else amply.

Strict limits are Flask-Limiter's and exact across processes: each asks Redis, or counts by itself
while that is away. The ample ones are counted in the process and brought together every second.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import lru_cache, wraps
from math import ceil
from time import time
from typing import Any, NamedTuple

from flask import Flask, current_app, g, request
from flask_limiter import Limiter, RateLimitExceeded
from limits import RateLimitItem
from limits.errors import StorageError
from prometheus_client import Counter

from app.cache.counts import Counts
from app.cache.server import Server
from app.config import Settings
from app.errors import TooMany
from app.services.actor import Actor
from app.services.known_places import place_of
from app.web.headers import Headers, send_along

LIMITED = Counter("loans_rate_limited", "Requests refused for their number.", ("limit",))
REFUSED = {kind: LIMITED.labels(kind) for kind in ("address", "caller", "bad", "pace")}
# What balancers and orchestrators ask by day and night, and must never be refused.
FREE = frozenset(("health.healthz", "health.ping"))
PLACES_KEPT = 4096


class Pace(Enum):
    """At which pace an address may call a route at which secrets are guessed at: its setting."""

    LOGIN = "login"
    REFRESH = "refresh"
    REGISTER = "register"
    SECOND_FACTOR = "second_factor"


class Standing(NamedTuple):
    """What is left of a limit, and at what time all of it is free again."""

    limit: int
    remaining: int
    resets_at: float

    @property
    def seconds(self) -> int:
        return max(1, ceil(self.resets_at - time()))


class Limits:
    """The ample limits of one process."""

    def __init__(self, server: Server, settings: Settings) -> None:
        self._counts = Counts(server, "limits")
        self._settings = settings

    def of_address(self) -> None:
        """Count a request of its address. Raises TooMany."""
        if request.endpoint not in FREE:
            self._count("address", _address(), self._settings.ratelimit_address)

    def of_caller(self, actor: Actor) -> None:
        """Count a request of its caller. Raises TooMany."""
        self._count("caller", str(actor.id), self._settings.ratelimit_caller)

    def of_bad_credential(self) -> None:
        """Count a credential of no worth of its address. Raises TooMany."""
        self._count("bad", _address(), self._settings.ratelimit_bad_credentials)

    def _count(self, kind: str, name: str, limit: RateLimitItem | None) -> None:
        if limit is None:
            return
        count, resets_at = self._counts.add(f"{kind}/{name}", limit.get_expiry())
        standing = Standing(limit.amount, max(0, limit.amount - count), resets_at)
        _note(standing)
        if count > limit.amount:
            REFUSED[kind].inc()
            raise _too_many(standing.seconds)


def init_app(app: Flask, settings: Settings) -> None:
    """Hold every route to its limits, once all are there."""
    if not settings.ratelimit_enabled:
        return
    limits = app.extensions["limits"] = Limits(app.extensions["cache"], settings)
    app.before_request(limits.of_address)
    limiter = _limiter(app)
    paced = _hold_to_paces(app, limiter, settings)

    def standing(_: Headers) -> Headers:
        nearest: Standing | None = g.get("standing")
        if request.endpoint in paced:
            nearest = _strict(limiter) or nearest
        if nearest is None:
            return []
        return [
            ("RateLimit-Limit", str(nearest.limit)),
            ("RateLimit-Remaining", str(nearest.remaining)),
            ("RateLimit-Reset", str(nearest.seconds)),
        ]

    send_along(app, standing)


def of_caller(actor: Actor) -> None:
    """Count a request of a caller who was recognized. Raises TooMany."""
    if (limits := _limits()) is not None:
        limits.of_caller(actor)


def of_bad_credential() -> None:
    """Count a credential that was refused. Raises TooMany, which is told in place of 401."""
    if (limits := _limits()) is not None:
        limits.of_bad_credential()


def _limits() -> Limits | None:
    limits: Limits | None = current_app.extensions.get("limits")
    return limits


def _address() -> str:
    """The address that a request is counted by; of IPv6 its network."""
    return _place(request.remote_addr or "nowhere")


@lru_cache(PLACES_KEPT)
def _place(address: str) -> str:
    try:
        return place_of(address)
    except ValueError:
        return address


def _limiter(app: Flask) -> Limiter:
    server: Server = app.extensions["cache"]
    limiter = Limiter(
        _address,
        # With the pool's time-outs; the URI only tells which kind of storage it is.
        storage_uri="redis://",
        storage_options={
            "connection_pool": server.client.connection_pool,  # type: ignore[dict-item]
            "wrap_exceptions": True,
        },
        in_memory_fallback_enabled=True,
        headers_enabled=False,
        key_prefix="loans",
    )
    # As if it were there already: or it would look at every request, which takes as long as a tenth
    # of one, and only those with a pace concern it.
    app.extensions["limiter"] = {limiter}
    limiter.init_app(app)
    return limiter


def _hold_to_paces(app: Flask, limiter: Limiter, settings: Settings) -> frozenset[str]:
    """Hold each route that has a pace to it; their endpoints."""
    paced = set()
    for endpoint, view in app.view_functions.items():
        pace: Pace | None = getattr(view, "pace", None)
        limit = pace and getattr(settings, f"ratelimit_{pace.value}")
        if pace and limit:
            held: Any = limiter.shared_limit(str(limit), scope=pace.value)
            app.view_functions[endpoint] = _refusing(limiter, held(view))
            paced.add(endpoint)
    return frozenset(paced)


def _refusing(limiter: Limiter, view: Callable[..., Any]) -> Callable[..., Any]:
    """Let the view refuse as the service does, a page of the console as the console."""

    @wraps(view)
    def refuse(**path: Any) -> Any:
        try:
            return view(**path)
        except RateLimitExceeded:
            REFUSED["pace"].inc()
            standing = _strict(limiter)
            raise _too_many(standing.seconds if standing else 1) from None

    return refuse


def _strict(limiter: Limiter) -> Standing | None:
    """How the strict limit of this request stands, if it has one and Redis tells."""
    current = limiter.current_limit
    if current is None:
        return None
    with suppress(StorageError):
        resets_at, remaining = current.window
        return Standing(current.limit.amount, max(0, remaining), resets_at)
    return None


def _note(standing: Standing) -> None:
    """Of several limits, the caller is told of the one that is nearest."""
    nearest: Standing | None = g.get("standing")
    if nearest is None or standing.remaining < nearest.remaining:
        g.standing = standing


def _too_many(seconds: int) -> TooMany:
    return TooMany("Too many requests; try again later.", retry_after=seconds)
