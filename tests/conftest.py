"""One PostgreSQL and one Valkey for the whole run, one database and one clean slate a worker."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from redis import Redis
from sqlalchemy import PoolProxiedConnection, text

from app import config, create_app, driver
from app.config import VARIABLES, Settings
from app.db import Base, db
from app.local.valkey import Valkey
from app.models import Role
from app.services.runs import run
from tests.factories import Caller, Lender
from tests.own_valkey import own_valkey, put_right
from tests.servers import TestServers, require_test_name, start_test_servers

# The tests ask more in a minute than anyone should; those of the limits set their own.
UNHURRIED = {name: "off" for name in VARIABLES if name.startswith("RATELIMIT_")} | {
    "RATELIMIT_ENABLED": "true"
}

_servers = pytest.StashKey[TestServers]()
_stack = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers in the controlling process; the workers find them in the environment."""
    if not hasattr(config, "workerinput"):
        config.stash[_stack] = ExitStack()
        servers = config.stash[_stack].enter_context(start_test_servers())
        os.environ["TEST_DATABASE_URL"] = servers.database_url
        os.environ["TEST_REDIS_URL"] = servers.redis_url
    else:
        servers = TestServers(
            database_url=os.environ["TEST_DATABASE_URL"],
            redis_url=os.environ["TEST_REDIS_URL"],
            postgres=None,
            valkey=None,
        )
    config.stash[_servers] = servers


def pytest_unconfigure(config: pytest.Config) -> None:
    if _stack in config.stash:
        config.stash[_stack].close()


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> TestServers:
    return pytestconfig.stash[_servers]


@pytest.fixture(scope="session")
def worker_number() -> int:
    return int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)


@pytest.fixture(scope="session")
def environ(servers: TestServers, worker_number: int) -> dict[str, str]:
    """The environment of the service under test: a migrated database of this worker's own."""
    url = servers.create_database(f"loans_{worker_number}_test")
    migrate(url)
    redis, _, _ = servers.redis_url.rpartition("/")
    return {
        "APP_ENV": "testing",
        "SECRET_KEY": "a secret of the tests, long enough for HS256",
        "DATABASE_URL": url,
        "REDIS_URL": f"{redis}/{worker_number}",
        "REDIS_TIMEOUT": "2",
        "ARGON2_TIME_COST": "1",
        "ARGON2_MEMORY_KIB": "8",
        "LOG_LEVEL": "ERROR",
        **UNHURRIED,
    }


@pytest.fixture(scope="session")
def settings(environ: dict[str, str]) -> Settings:
    return config.load(environ)


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    app = quiet(create_app(settings))
    yield app
    disconnect(app)


@pytest.fixture
def make_app(environ: dict[str, str]) -> Iterator[Callable[..., Flask]]:
    """Another service on the same database, with other settings."""
    made: list[Flask] = []

    def make(**changes: str) -> Flask:
        exposed = changes.get("APP_ENV") in ("staging", "production")
        cost = {"ARGON2_MEMORY_KIB": "19456", "ARGON2_TIME_COST": "2"} if exposed else {}
        made.append(quiet(create_app(config.load({**environ, **cost, **changes}))))
        return made[-1]

    yield make
    for app in made:
        disconnect(app)


@pytest.fixture
def clean(app: Flask, settings: Settings) -> Iterator[None]:
    """Leave nothing behind, in either server."""
    yield
    sweep(app, settings)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Valkey]:
    with own_valkey() as server:
        yield server


@pytest.fixture
def valkey(own_server: Valkey) -> Iterator[Valkey]:
    """A Valkey that a test may stop, pause, fill and flush; it is put right afterwards."""
    with put_right(own_server) as server:
        yield server


@pytest.fixture
def lender(app: Flask, clean: None) -> Lender:
    return Lender(app)


@pytest.fixture(scope="module")
def lasting_lender(app: Flask, settings: Settings) -> Iterator[Lender]:
    """What is made with this one is there for all tests of a module."""
    yield Lender(app)
    sweep(app, settings)


@pytest.fixture
def anyone(lender: Lender) -> Caller:
    return Caller(lender.app)


@pytest.fixture
def admin(lender: Lender) -> Caller:
    return lender.user(Role.ADMIN)


@pytest.fixture
def officer(lender: Lender) -> Caller:
    return lender.user(Role.OFFICER)


@pytest.fixture
def applicant(lender: Lender) -> Caller:
    return lender.user(Role.APPLICANT)


@pytest.fixture
def stranger(lender: Lender) -> Caller:
    """Another applicant."""
    return lender.user(Role.APPLICANT)


@pytest.fixture
def customer(admin: Caller) -> dict[str, Any]:
    return admin.make_customer()


@pytest.fixture
def loan(admin: Caller) -> dict[str, Any]:
    """A pending application of moderate risk."""
    return admin.make_loan()


@pytest.fixture
def in_parallel() -> Callable[..., list[Any]]:
    """Run calls at the same moment, each in a thread with connections of its own."""

    def run(*calls: Callable[[], Any]) -> list[Any]:
        barrier = Barrier(len(calls))

        def start(call: Callable[[], Any]) -> Any:
            barrier.wait(10)
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(start, calls))

    return run


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What reaches the driver, through SQLAlchemy or past it."""
    statements: list[str] = []
    told = driver.command

    def telling(lent: PoolProxiedConnection, words: bytes) -> None:
        statements.append(words.decode())
        told(lent, words)

    def note(how: str) -> None:
        send = getattr(psycopg.Cursor, how)

        def noting(cursor: psycopg.Cursor, statement: str, *values: Any, **options: Any) -> Any:
            statements.append(statement)
            return send(cursor, statement, *values, **options)

        monkeypatch.setattr(psycopg.Cursor, how, noting)

    for how in ("execute", "executemany"):
        note(how)
    monkeypatch.setattr(driver, "command", telling)
    return statements


def quiet(app: Flask) -> Flask:
    """Without its own threads, which would meet `sweep` and the next test in the database."""
    for background in ("notices", "tallies", "queue"):
        app.extensions[background].close()
    return app


def disconnect(app: Flask) -> None:
    quiet(app)
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()
    app.extensions["cache"].close()


def sweep(app: Flask, settings: Settings) -> None:
    """Empty the database and the caches of the tests."""
    require_test_name(settings.database_url.partition("?")[0])
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)

    def empty() -> None:
        with db.engine.connect() as connection:
            connection.execute(text(f"TRUNCATE {tables} CASCADE"))

    with app.app_context():
        run(empty)  # a service of the module's own may be at work, and is in the way at times
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushdb()
    app.extensions["near_cache"].clear()


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database at `url` to a revision, up or down from wherever it is."""
    alembic = Config("alembic.ini")
    alembic.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    if revision == "base":
        command.downgrade(alembic, revision)
    else:
        command.upgrade(alembic, revision)
