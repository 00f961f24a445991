"""The engines: how the connections to PostgreSQL are made, pooled, given back and disowned."""

from typing import Any, cast

import psycopg
from flask import Flask
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Pool, event, make_url, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import connections
from app.config import Settings
from app.db import REPLICA, db
from app.errors import DomainError
from app.pool import MeasuredPool

PRIMARY = "primary"


def init_app(app: Flask, settings: Settings) -> None:
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "poolclass": MeasuredPool,
        "pool_logging_name": PRIMARY,
        "pool_size": settings.database_pool_size,
        "max_overflow": 0,
        "hide_parameters": True,
        "pool_use_lifo": True,
        "pool_reset_on_return": None,  # see _roll_back_what_is_open
        "connect_args": connections.arguments(settings),
    }
    app.config["SQLALCHEMY_DATABASE_URI"] = _url(settings.database_url)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    if settings.database_read_url:
        app.config["SQLALCHEMY_BINDS"] = {
            REPLICA: {
                **options,
                "pool_logging_name": REPLICA,
                "url": _url(settings.database_read_url),
                "connect_args": {**options["connect_args"], **connections.IMPATIENT},
            }
        }
    db.init_app(app)
    with app.app_context():
        for engine in db.engines.values():
            cast(MeasuredPool, engine.pool).wait_at_most(settings.database_pool_timeout)
            if settings.database_behind_pgbouncer:
                event.listen(engine, "connect", connections.speak_utc)


def _url(url: str) -> URL:
    return make_url(url).set(drivername="postgresql+psycopg")


def answers() -> bool:
    """Whether the database answers a query now."""
    try:
        db.session.execute(text("SELECT 1"))
    except (DomainError, PoolTimeout):
        db.session.rollback()  # or whatever is asked next would be asked of what broke
        return False
    return True


def disown() -> None:
    """Let go of connections that this process was forked with: they are its parent's."""
    for engine in db.engines.values():
        engine.dispose(close=False)


@event.listens_for(Pool, "reset")
def _roll_back_what_is_open(connection: psycopg.Connection, *_: object) -> None:
    """Nothing is, as a rule, and to ask the driver to roll that back takes longer than to look."""
    if connection.pgconn.transaction_status != TransactionStatus.IDLE:
        connection.rollback()
