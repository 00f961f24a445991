"""Lists, reports and exports out of a streaming replica: as good as the primary's, or not taken."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import make_url, text
from werkzeug.test import TestResponse

from app.db import REPLICA, db, on_replica, transaction, whole
from app.engines import PRIMARY
from app.errors import DatabaseBusy
from app.local.processes import wait_until
from app.models import Role
from app.services import replica as reading
from app.services.replica import State
from tests.attacks import Route, routes
from tests.conftest import migrate, sweep
from tests.credentials import session_of
from tests.factories import LOAN, Caller, Lender, created
from tests.lists import Book
from tests.network.own_postgres import new_database
from tests.replica import Primary, Replica, own_pair

PATIENCE = 30
SOON = 0.02
NOTHING = {"behind": 0, "cancelled": 0, "detached": 0, "down": 0, "ok": 0}
FROM_A_REPLICA = {
    "/auth/api-keys",
    "/auth/users",
    "/customers/",
    "/customers/<ref>/account/entries",
    "/customers/export",
    "/customers/imports",
    "/customers/imports/<uuid:import_id>/errors",
    "/loans/",
    "/loans/export",
    "/payments/",
    "/payments/export",
    "/reports/audit",
    "/reports/portfolio",
}
ROUTES = [route for route in routes() if route.method == "GET"]
LISTS = [route for route in ROUTES if route.contract.is_list]

Make = Callable[..., Flask]
Ports = list[int]


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Primary, Replica]]:
    with own_pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def primary(pair: tuple[Primary, Replica]) -> Primary:
    return pair[0]


@pytest.fixture(scope="module")
def url(primary: Primary) -> str:
    url = new_database(primary, "followed_test")
    migrate(url)
    return url


@pytest.fixture
def replica(pair: tuple[Primary, Replica], url: str) -> Iterator[Replica]:
    """One that has caught up; it is put right afterwards."""
    replica = pair[1]
    replica.catch_up()
    yield replica
    if not replica.is_running:
        replica.start()
    replica.release()


@pytest.fixture
def make(make_app: Make, url: str, replica: Replica, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A service on the pair, which tries a replica again soon."""
    monkeypatch.setattr(reading, "REST_SECONDS", SOON)
    monkeypatch.setattr(reading, "BREATH_SECONDS", SOON)
    return lambda **changes: make_app(
        **{"DATABASE_URL": url, "DATABASE_READ_URL": replica.of(url), **changes}
    )


@pytest.fixture
def app(make: Make) -> Iterator[Flask]:
    app = make(CACHE_ENABLED="false")
    yield app
    sweep(app, app.extensions["settings"])


@pytest.fixture
def admin(app: Flask) -> Caller:
    return Lender(app).user(Role.ADMIN)


@pytest.fixture
def elsewhere(make: Make) -> Callable[[Caller], Caller]:
    """The same caller at another process of the service."""
    another = make(CACHE_ENABLED="false")
    return lambda caller: Caller(another, caller.headers, caller.user)


@pytest.fixture
def told(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> pytest.LogCaptureFixture:
    """What is logged of it."""
    monkeypatch.setattr(logging.getLogger("app"), "propagate", True)
    caplog.set_level(logging.WARNING, logger=reading.log.name)
    return caplog


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Ports:
    """The port of whom each statement was sent to."""
    ports: Ports = []
    execute = psycopg.Cursor.execute

    def noting(cursor: psycopg.Cursor, *arguments: Any, **options: Any) -> Any:
        ports.append(cursor.connection.info.port)
        return execute(cursor, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", noting)
    return ports


def is_read_from(replica: Replica, asked: Ports, route: Route, book: Book, caller: Caller) -> bool:
    """Whether the last that the route asks is the replica."""
    asked.clear()
    assert book.page(route, caller)
    return asked[-1] == replica.port


def total(answer: TestResponse) -> int:
    return int(answer.headers["X-Total-Count"])


def counted(change: Callable[[], object]) -> dict[str, float]:
    """By how much each outcome's count went up."""

    def counts() -> dict[str, float]:
        return {each: reading.READS.labels(each)._value.get() for each in NOTHING}

    before = counts()
    change()
    return {each: count - before[each] for each, count in counts().items()}


def test_lists_reports_and_exports_alone_are_read_from_it(
    app: Flask, make: Make, replica: Replica, asked: Ports
) -> None:
    book = Book(app)
    admin = book.admin
    plain = Caller(make(DATABASE_READ_URL=""), admin.headers, admin.user)
    found = set()
    for route in ROUTES:
        replica.catch_up()
        asked.clear()
        answer = book.send(route, caller=admin)
        if replica.port in asked:
            found.add(route.rule.rule)
        if route.rule.rule in FROM_A_REPLICA - {"/reports/audit"}:
            assert answer.data == book.send(route, caller=plain).data, route
    assert found == FROM_A_REPLICA | {"/ping", "/"}


def test_who_calls_is_asked_of_the_primary(app: Flask, admin: Caller, replica: Replica) -> None:
    access, _ = session_of(admin)
    assert access.get("/loans/").status_code == 200
    replica.hold()
    assert access.post("/auth/logout").status_code == 204
    assert access.get("/loans/").status_code == 401


def test_whoever_has_written_finds_it_in_every_list_through_any_process(
    app: Flask, elsewhere: Callable[[Caller], Caller], replica: Replica, asked: Ports
) -> None:
    book = Book(app, is_spread=False)
    there = elsewhere(book.admin)
    for route in LISTS:
        before = total(book.page(route, there))
        replica.hold()
        book.add_to(route)
        asked.clear()
        after = total(book.page(route, there))
        assert after > before, route
        assert asked[-1] != replica.port
        replica.release()
        replica.catch_up()
        is_read = partial(is_read_from, replica, asked, route, book, there)
        assert wait_until(is_read, PATIENCE)
        assert total(book.page(route, there)) == after


def test_reports_and_exports_have_what_was_just_written(
    admin: Caller, elsewhere: Callable[[Caller], Caller], replica: Replica
) -> None:
    there = elsewhere(admin)
    replica.hold()
    loan = admin.make_loan()
    assert there.get("/reports/portfolio").json["total"] == 1
    assert loan["id"] in there.get("/loans/export?format=jsonl").text


def test_nothing_older_is_remembered_under_a_generation(
    make: Make, app: Flask, admin: Caller, replica: Replica
) -> None:
    readers = [Caller(make(), admin.headers) for _ in range(2)]
    admin.make_loan()
    replica.hold()
    for number in (2, 3):
        admin.make_loan()
        for path, count in (("/loans/", len), ("/reports/portfolio", lambda it: it["total"])):
            assert [count(reader.get(path).json) for reader in readers] == [number] * 2
    replica.release()
    assert [len(reader.get("/loans/").json) for reader in readers] == [3, 3]


def test_an_answer_of_the_replica_is_remembered(make: Make, admin: Caller, asked: Ports) -> None:
    reader = Caller(make(), admin.headers)
    first = reader.get("/loans/")
    asked.clear()
    assert reader.get("/loans/").data == first.data
    assert len(asked) == 1


def test_a_list_costs_one_look_more(
    app: Flask, admin: Caller, replica: Replica, asked: Ports
) -> None:
    for path in ("/loans/", "/customers/", "/payments/"):
        admin.get(path)
        replica.catch_up()
        asked.clear()
        assert admin.get(path).status_code == 200
        assert [port == replica.port for port in asked] == [False, True, True]


def lent(pool: str) -> float:
    """How many of its connections are at work."""
    return REGISTRY.get_sample_value("loans_database_pool_in_use", {"pool": pool}) or 0


def test_one_that_is_gone_is_told_once_and_not_missed(
    admin: Caller, replica: Replica, told: pytest.LogCaptureFixture
) -> None:
    loan = admin.make_loan()
    admin.get("/loans/")
    replica.kill()
    for _ in range(3):
        assert [each["id"] for each in admin.get("/loans/").json] == [loan["id"]]
        assert loan["id"] in admin.get("/loans/export").text
    assert admin.get("/ping").json["replica"] == "down"
    assert told.messages == ["reads go to the primary"]
    assert told.records[0].replica == "down"
    replica.start()
    assert wait_until(lambda: counted(lambda: admin.get("/loans/"))["ok"] == 1, PATIENCE)
    assert told.messages[1:] == ["reads go to the replica again"]
    assert admin.get("/ping").json["replica"] == "ok"


def test_one_that_has_no_connection_to_spare_is_not_missed(make: Make, admin: Caller) -> None:
    app = make(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="0.1")
    reader = Caller(app, admin.headers)
    loan = admin.make_loan()
    with app.app_context():
        engine = db.engines[REPLICA]
    before = lent(REPLICA), lent(PRIMARY)
    with engine.connect():
        assert (lent(REPLICA), lent(PRIMARY)) == (before[0] + 1, before[1])
        assert [each["id"] for each in reader.get("/loans/").json] == [loan["id"]]
        answer = reader.get("/ping")
        assert (answer.status_code, answer.json["replica"]) == (200, "down")


def test_what_takes_too_long_there_is_refused_and_no_fault_of_the_replica(
    app: Flask, admin: Caller
) -> None:
    def ask() -> None:
        db.session.execute(text("SET statement_timeout = 20"))
        try:
            db.session.execute(text("SELECT pg_sleep(60)"))
        finally:
            db.session.execute(text("RESET statement_timeout"))

    def read() -> None:
        with pytest.raises(DatabaseBusy):
            reading.read(reading._present(), ask)

    with app.app_context():
        assert counted(read) == {**NOTHING, "ok": 1}
        assert reading.state() is State.OK


def test_who_asks_how_it_stands_is_told_of_a_bug(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STATE", "SELECT nothing_of_that_name()")
    with app.app_context(), pytest.raises(psycopg.errors.UndefinedFunction):
        reading.state()


def test_one_that_hangs_keeps_nobody_waiting_who_asks_how_it_stands(
    app: Flask, admin: Caller, replica: Replica
) -> None:
    admin.get("/loans/")
    with app.app_context(), on_replica():
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = admin.get("/ping")
        assert (answer.status_code, answer.json["replica"]) == (200, "down")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert wait_until(lambda: admin.get("/ping").json["replica"] == "ok", PATIENCE)


def test_one_that_lags_is_told_when_it_lasts(
    admin: Caller, replica: Replica, told: pytest.LogCaptureFixture
) -> None:
    replica.hold()
    admin.make_customer()
    assert counted(lambda: admin.get("/customers/")) == {**NOTHING, "behind": 1}
    assert wait_until(lambda: bool(admin.get("/customers/") and told.messages), PATIENCE)
    admin.get("/customers/")
    assert told.messages == ["reads go to the primary"]
    answer = admin.get("/ping")
    assert (answer.status_code, answer.json["replica"]) == (200, "behind")


def test_a_primary_that_breaks_off_is_told_of_beside_it(
    app: Flask, admin: Caller, url: str
) -> None:
    with app.app_context():
        pid = db.session.scalar(text("SELECT pg_backend_pid()"))
    with psycopg.connect(url, autocommit=True) as another:
        another.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
    answer = admin.get("/ping")
    assert (answer.status_code, answer.json["db"]) == (503, "down")
    assert (again := admin.get("/ping")).status_code == 200, again.text


def test_a_lag_that_is_soon_over_is_not_told(
    admin: Caller,
    replica: Replica,
    told: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "REST_SECONDS", PATIENCE)
    replica.hold()
    admin.make_customer()
    admin.get("/customers/")
    replica.release()
    replica.catch_up()
    assert wait_until(lambda: counted(lambda: admin.get("/customers/"))["ok"] == 1, PATIENCE)
    assert told.messages == []


def test_one_that_is_left_alone_is_not_asked(
    admin: Caller, replica: Replica, asked: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BREATH_SECONDS", PATIENCE)
    replica.hold()
    admin.make_customer()
    admin.get("/customers/")
    asked.clear()
    assert counted(lambda: admin.get("/customers/")) == {**NOTHING, "behind": 1}
    assert replica.port not in asked


def test_one_that_breaks_off_is_followed_by_the_primary(
    app: Flask, url: str, replica: Replica
) -> None:
    seen = []

    def ask() -> int:
        port: int = db.session.connection().connection.driver_connection.info.port
        seen.append(port)
        if port == replica.port:
            db.session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return port

    with app.app_context():
        assert reading.read(reading._present(), ask) == make_url(url).port
    assert seen == [replica.port, make_url(url).port]


def test_a_read_that_gives_way_to_replaying_is_done_by_the_primary(
    app: Flask, url: str, replica: Replica
) -> None:
    def ask() -> int:
        port: int = db.session.connection().connection.driver_connection.info.port
        if port == replica.port:
            conflict = "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$"
            db.session.execute(text(conflict))
        return port

    with app.app_context():
        told = counted(lambda: reading.read(reading._present(), ask))
        assert told == {**NOTHING, "ok": 1, "cancelled": 1}
        assert reading.state() is State.OK


def test_nothing_is_written_on_it(app: Flask) -> None:
    with (
        app.app_context(),
        on_replica(),
        pytest.raises(RuntimeError, match="replica"),
        transaction(),
    ):
        pass


@pytest.mark.parametrize("around", [transaction, whole])
def test_what_writes_does_not_turn_to_it(app: Flask, around: Callable[[], Any]) -> None:
    with app.app_context(), around(), pytest.raises(RuntimeError, match="primary"), on_replica():
        pass


def test_one_that_is_no_replica_is_not_read(make: Make, url: str, admin: Caller) -> None:
    alone = Caller(make(DATABASE_READ_URL=url), admin.headers)
    assert counted(lambda: alone.get("/loans/")) == {**NOTHING, "detached": 1}
    assert alone.get("/ping").json["replica"] == "detached"


def test_one_of_another_primary_or_of_none_is_not_read(
    make_app: Make, environ: dict[str, str], settings: Any
) -> None:
    with own_pair() as (primary, replica):
        app = make_app(DATABASE_READ_URL=replica.url)
        admin = Lender(app).user(Role.ADMIN)
        assert counted(lambda: admin.get("/loans/")) == {**NOTHING, "detached": 1}
        sweep(app, settings)
        url = new_database(primary, "promoted_test")
        migrate(url)
        replica.catch_up()
        app = make_app(DATABASE_URL=url, DATABASE_READ_URL=replica.of(url))
        admin = Lender(app).user(Role.ADMIN)
        assert counted(lambda: admin.get("/customers/"))["ok"] == 1
        replica.promote()
        assert counted(lambda: admin.get("/customers/")) == {**NOTHING, "detached": 1}


def test_a_primary_that_is_being_replaced_is_read_as_it_is(
    make: Make, url: str, app: Flask, admin: Caller, replica: Replica
) -> None:
    """Until the one in its place is a primary, nothing says how far it has written."""
    failing_over = Caller(make(DATABASE_URL=replica.of(url)), admin.headers)
    replica.catch_up()
    assert counted(lambda: failing_over.get("/loans/")) == NOTHING
    assert failing_over.get("/loans/").status_code == 200
    assert failing_over.post("/customers/", {}).status_code in (422, 503)


def test_the_command_line_exports_from_it(app: Flask, admin: Caller, replica: Replica) -> None:
    loan = admin.make_loan()
    replica.catch_up()
    told = []

    def export() -> None:
        told.append(app.test_cli_runner().invoke(args=["export", "loans"]))

    assert counted(export)["ok"] == 1
    assert loan["id"] in told[0].output


def test_without_one_nothing_is_asked_or_told_of_it(
    make: Make, admin: Caller, sent: list[str]
) -> None:
    plain = Caller(make(DATABASE_READ_URL="", CACHE_ENABLED="false"), admin.headers)
    plain.get("/loans/")
    sent.clear()
    assert counted(lambda: plain.get("/loans/")) == NOTHING
    assert len(sent) == 2
    assert "lsn" not in "".join(sent)
    assert "replica" not in plain.get("/ping").json
    created(plain.post("/loans/", {**LOAN, "customer_id": plain.make_customer()["id"]}))
