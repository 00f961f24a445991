"""Reading past the ORM: errors told for what they are, connections given back, writes seen."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import ARRAY, BigInteger, String, any_, bindparam, func, literal_column, select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.config import Settings
from app.db import db, transaction, whole
from app.errors import DatabaseAway, DatabaseBusy
from app.local.postgres import Postgres
from app.local.processes import wait_until
from app.models import Customer, CustomerStatus, Role
from app.reading import Reading
from tests.attacks import Route, World, refusal, routes
from tests.credentials import key_holder
from tests.factories import Caller
from tests.network.own_postgres import new_database, own_postgres

PATIENCE = 30
POOL = 3
PID = Reading(select(func.pg_backend_pid().label("pid")))
SLEEPING = Reading(select(func.pg_sleep(literal_column("30"))))
DIVIDING = Reading(select((literal_column("1") / bindparam("by", type_=BigInteger)).label("n")))
NAMED = Reading(select(Customer.id).where(Customer.external_id == bindparam("name")))
SMALL = {"DATABASE_POOL_SIZE": "1", "DATABASE_POOL_TIMEOUT": "1"}

MakeApp = Callable[..., Flask]


@pytest.fixture
def context(app: Flask, clean: None) -> Iterator[None]:
    with app.app_context():
        yield
        assert lent() == 0


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def postgres(own_server: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL that a test may stop; it runs again afterwards."""
    yield own_server
    if own_server.child is None:
        own_server.start()


@pytest.fixture
def own_app(postgres: Postgres, make_app: MakeApp) -> Flask:
    with suppress(psycopg.errors.DuplicateDatabase):
        new_database(postgres, "reading_test")
    url = postgres.url.rpartition("/")[0] + "/reading_test"
    return make_app(DATABASE_URL=url, DATABASE_POOL_SIZE=str(POOL))


def lent() -> int:
    """How many connections the pool has lent and not got back."""
    return int(db.engine.pool.checkedout())


def fill_pool() -> None:
    """Have as many connections opened as the pool holds."""
    opened = [db.engine.raw_connection() for _ in range(POOL)]
    for each in opened:
        each.close()


@pytest.mark.usefixtures("context")
def test_rows_have_the_names_and_types_of_their_columns() -> None:
    columns = (literal_column("1.50").label("amount"), func.now().label("at"))
    (row,) = Reading(select(*columns)).rows({})
    assert (row._fields, row.amount) == (("amount", "at"), Decimal("1.50"))
    assert row.at.tzinfo is UTC


@pytest.mark.usefixtures("context")
def test_a_row_that_is_not_there_is_none() -> None:
    assert NAMED.row(name="nobody") is None


@pytest.mark.usefixtures("context")
def test_more_may_be_given_than_a_statement_asks_for() -> None:
    assert DIVIDING.row(by=2, other="x", name=None).n == Decimal("0.5")


def test_choices_are_parameters_by_themselves_and_in_lists(
    app: Flask, admin: Caller, customer: dict[str, Any]
) -> None:
    by_status = Reading(select(Customer.id).where(Customer.status == bindparam("status")))
    listed = bindparam("statuses", type_=ARRAY(String))
    by_any = Reading(select(Customer.id).where(Customer.status == any_(listed)))
    found, none = UUID(customer["id"]), CustomerStatus.INACTIVE
    with app.app_context():
        assert by_status.row(status=CustomerStatus.ACTIVE).id == found
        assert by_status.row(status=none) is None
        assert by_any.row(statuses=[none, CustomerStatus.ACTIVE]).id == found
        assert by_any.row(statuses=[none]) is None


@pytest.mark.usefixtures("context")
def test_a_reading_by_itself_leaves_no_transaction_open(settings: Settings) -> None:
    asked = "SELECT state FROM pg_stat_activity WHERE pid = %s"
    (reader,) = PID.rows({})
    with psycopg.connect(settings.database_url) as connection:
        assert wait_until(
            lambda: connection.execute(asked, [reader.pid]).fetchone() == ("idle",), PATIENCE
        )


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("around", [transaction, whole])
def test_within_a_transaction_it_sees_what_that_writes(around: Callable[[], Any]) -> None:
    with suppress(ZeroDivisionError), whole() if around is whole else nullcontext(), transaction():
        db.session.add(Customer(external_id="C-1", created_by=UUID(int=1)))
        assert NAMED.row(name="C-1") is None  # not flushed yet
        db.session.flush()
        assert NAMED.row(name="C-1") is not None
        assert PID.rows({})[0].pid == db.session.scalar(select(func.pg_backend_pid()))
        assert lent() == 1
        raise ZeroDivisionError
    assert NAMED.row(name="C-1") is None


@pytest.mark.usefixtures("context")
def test_after_the_orm_has_read_it_uses_the_same_connection() -> None:
    pid = db.session.scalar(select(func.pg_backend_pid()))
    assert PID.rows({})[0].pid == pid
    assert lent() == 1
    db.session.remove()


def test_a_statement_that_takes_too_long_is_told_as_a_busy_database(make_app: MakeApp) -> None:
    with make_app(DATABASE_STATEMENT_TIMEOUT_MS="20").app_context():
        for is_within in (False, True):
            with pytest.raises(DatabaseBusy), transaction() if is_within else nullcontext():
                SLEEPING.rows({})
            assert lent() == 0
            assert PID.rows({})


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("is_within", [False, True])
def test_a_statement_that_fails_is_a_bug_and_keeps_no_connection(is_within: bool) -> None:
    pid = PID.rows({})[0].pid
    with (
        pytest.raises(psycopg.errors.DivisionByZero),
        transaction() if is_within else nullcontext(),
    ):
        DIVIDING.row(by=0)
    assert (lent(), PID.rows({})[0].pid) == (0, pid)


@pytest.mark.usefixtures("context")
def test_a_value_that_cannot_be_sent_keeps_no_connection() -> None:
    with pytest.raises(psycopg.DataError):
        NAMED.row(name="\0")
    with pytest.raises(psycopg.ProgrammingError):
        NAMED.row(name=object())
    assert PID.rows({})


def test_who_waits_in_vain_for_a_connection_keeps_none(make_app: MakeApp) -> None:
    with make_app(**{**SMALL, "DATABASE_POOL_TIMEOUT": "0.1"}).app_context():
        held = db.engine.raw_connection()
        with pytest.raises(PoolTimeout):
            PID.rows({})
        held.close()
        assert PID.rows({})
        assert lent() == 0


def test_a_database_that_is_away_is_told_so_and_found_again(
    own_app: Flask, postgres: Postgres
) -> None:
    with own_app.app_context():
        assert PID.rows({})
        postgres.stop()
        for _ in range(POOL + 1):
            with pytest.raises(DatabaseAway):
                PID.rows({})
            with pytest.raises(DatabaseAway), transaction():
                PID.rows({})
        assert lent() == 0
        postgres.start()
        assert PID.rows({})
        assert lent() == 0


def test_after_a_restart_one_is_refused_however_many_connections_broke(
    own_app: Flask, postgres: Postgres
) -> None:
    with own_app.app_context():
        fill_pool()
        postgres.restart()
        with pytest.raises(DatabaseAway):
            PID.rows({})
        fill_pool()
        for _ in range(POOL + 1):
            assert PID.rows({})
        assert lent() == 0


def test_a_connection_that_breaks_within_a_transaction_is_given_back(
    own_app: Flask, postgres: Postgres
) -> None:
    ending = Reading(select(func.pg_terminate_backend(func.pg_backend_pid())))
    with own_app.app_context():
        fill_pool()
        with pytest.raises(DatabaseAway), transaction():
            ending.rows({})
        with pytest.raises(DatabaseAway):
            ending.rows({})
        assert PID.rows({})
        db.session.remove()
        assert lent() == 0


def test_a_request_is_told_that_the_database_is_away(
    own_app: Flask, postgres: Postgres, admin: Caller
) -> None:
    postgres.stop()
    answer = Caller(own_app, admin.headers).get("/loans/")
    assert refusal(answer) == 503
    assert answer.get_json()["code"] == "database-away"


def test_one_connection_is_enough_to_read_anything(make_app: MakeApp, clean: None) -> None:
    world = World(make_app(**SMALL))
    for route in (route for route in routes() if route.method == "GET"):
        for caller in (world.admin, world.applicant, key_holder(world.admin, Role.OFFICER)):
            assert world.send(route, caller=caller).status_code < 500, route


@pytest.mark.parametrize("route", [route for route in routes() if route.method != "GET"], ids=str)
def test_one_connection_is_enough_for_any_deed(
    make_app: MakeApp, clean: None, route: Route
) -> None:
    world = World(make_app(**SMALL))
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    answer = world.send(route, body)
    # A customer who is in use is not deleted.
    assert answer.status_code in (route.contract.status, 409), answer.get_data(as_text=True)
