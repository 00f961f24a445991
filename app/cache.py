"""Redis, which decides nothing: nothing is wrong without it, only slower."""

import logging

from flask import Flask, current_app
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import Settings

log = logging.getLogger(__name__)


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["cache"] = Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.redis_timeout,
        socket_connect_timeout=settings.redis_timeout,
        retry=Retry(NoBackoff(), 0),
    )


def answers() -> bool:
    """Whether Redis answers within its time-out now."""
    client: Redis = current_app.extensions["cache"]
    try:
        return bool(client.ping())
    except RedisError as error:
        log.warning("Redis is away", extra={"cause": repr(error)})
        return False
