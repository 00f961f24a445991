"""Imports that pretend, and a service that hands them over."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from celery import Celery
from flask import Flask
from redis import Redis

from app import config, create_app
from app.config import Settings
from tests.conftest import disconnect
from tests.workers.pretended import TABLE, Pretended, offered

Made = Callable[..., Flask]


@pytest.fixture(scope="package")
def celery_environ(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "USE_CELERY": "true"}


@pytest.fixture(scope="package")
def table(environ: dict[str, str]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection
        connection.execute("DROP TABLE pretended_imports")


@pytest.fixture
def imports(table: psycopg.Connection[Any], clean: None) -> Iterator[Pretended]:
    yield Pretended(table)
    table.execute("TRUNCATE pretended_imports")


@pytest.fixture
def made(environ: dict[str, str], imports: Pretended) -> Iterator[Made]:
    """A service that hands imports over, and ends before the slate is wiped."""
    apps: list[Flask] = []

    def make(**changes: str) -> Flask:
        apps.append(offered(create_app(config.load({**environ, **changes}))))
        return apps[-1]

    yield make
    imports.let_all_go()
    for app in apps:
        disconnect(app)
        app.extensions["queue"].celery.close()


@pytest.fixture
def service(made: Made) -> Flask:
    """One that speaks to Celery."""
    return made(USE_CELERY="true")


@pytest.fixture
def celery(service: Flask) -> Celery:
    return service.extensions["queue"].celery


@pytest.fixture
def broker(settings: Settings) -> Iterator["Redis[bytes]"]:
    with Redis.from_url(settings.redis_url) as redis:
        yield redis
