"""Whoever writes past the service."""

from collections.abc import Iterator

import psycopg
import pytest

from app.config import Settings


@pytest.fixture
def sql(settings: Settings, clean: None) -> Iterator[psycopg.Connection]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection
