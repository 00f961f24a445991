"""The migrations build what the models declare, and can be taken back."""

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, make_url

from app.db import Base
from tests.conftest import migrate
from tests.servers import TestServers


@pytest.fixture(scope="module")
def url(servers: TestServers, worker_number: int) -> str:
    return servers.create_database(f"migrations_{worker_number}_test")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows} - {"alembic_version"}


def functions(url: str) -> set[str]:
    query = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(query)}


def test_every_migration_can_be_taken_back_and_made_again(url: str) -> None:
    migrate(url)
    assert tables(url) == set(Base.metadata.tables)
    migrate(url, "base")
    assert tables(url) == functions(url) == set()
    migrate(url)
    assert tables(url) == set(Base.metadata.tables)


def test_the_models_declare_nothing_that_no_migration_builds(url: str) -> None:
    migrate(url)
    alembic = Config("alembic.ini")
    alembic.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.check(alembic)


def test_constraints_carry_the_names_that_refusals_are_known_by(url: str) -> None:
    migrate(url)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    inspector = inspect(engine)
    for name, table in Base.metadata.tables.items():
        declared = {str(each.name) for each in table.constraints} - {None}
        built = {check["name"] for check in inspector.get_check_constraints(name)}
        built |= {key["name"] for key in inspector.get_foreign_keys(name)}
        built |= {unique["name"] for unique in inspector.get_unique_constraints(name)}
        built |= {inspector.get_pk_constraint(name)["name"]}
        assert built == declared
    engine.dispose()
