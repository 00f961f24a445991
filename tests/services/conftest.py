"""Connections past the service."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from app.config import Settings

Connect = Callable[..., psycopg.Connection[Any]]


@pytest.fixture
def connect(settings: Settings, clean: None) -> Iterator[Connect]:
    """New ones, which wait for nobody; closed at the end."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one(*, autocommit: bool = True) -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(settings.database_url, autocommit=True))
        opened[-1].execute("SET lock_timeout = '1s'")
        opened[-1].autocommit = autocommit
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def sql(connect: Connect) -> psycopg.Connection[Any]:
    return connect()


@pytest.fixture
def writer(connect: Connect) -> psycopg.Connection[Any]:
    """One with a transaction of its own."""
    return connect(autocommit=False)
