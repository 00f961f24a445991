"""The service behind PgBouncer in transaction mode: the same answers, the same books."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text

from app.db import db, snapshot, transaction
from app.models import LoginFailures
from app.models.base import now
from tests.credentials import execute
from tests.factories import Caller
from tests.network.deeds import DEEDS, Deed, books_of
from tests.network.pgbouncer import BINARY, POOL, PgBouncer, pgbouncer

pytestmark = [
    pytest.mark.skipif(BINARY is None, reason="there is no pgbouncer here; apt install pgbouncer"),
    pytest.mark.usefixtures("clean"),
]
CLIENTS = 20


@pytest.fixture(scope="module")
def bouncer(environ: dict[str, str]) -> Iterator[PgBouncer]:
    with pgbouncer(environ["DATABASE_URL"]) as server:
        yield server


@pytest.fixture
def service(bouncer: PgBouncer, make_app: Callable[..., Flask]) -> Flask:
    """With more connections than PgBouncer has for it."""
    return make_app(
        DATABASE_URL=bouncer.url,
        DATABASE_BEHIND_PGBOUNCER="true",
        DATABASE_POOL_SIZE=str(CLIENTS),
        CACHE_ENABLED="false",
    )


@pytest.fixture
def bounced(service: Flask, admin: Caller) -> Caller:
    return Caller(service, admin.headers, admin.user)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_every_movement_of_money_is_the_same(admin: Caller, bounced: Caller, deed: Deed) -> None:
    direct, behind = deed(admin), deed(bounced)
    expected = admin.post(direct.path, direct.body)
    key = {"Idempotency-Key": "the same"}
    first, second = (bounced.post(behind.path, behind.body, headers=key) for _ in range(2))
    assert first.status_code == second.status_code == expected.status_code < 300
    assert (first.data, second.headers["Idempotency-Replayed"]) == (second.data, "true")
    assert books_of(admin.app, behind.customer) == books_of(admin.app, direct.customer)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_one_key_sent_by_many_at_once_has_one_effect(
    admin: Caller, bounced: Caller, deed: Deed, in_parallel: Callable[..., list[Any]]
) -> None:
    direct, behind = deed(admin), deed(bounced)
    admin.post(direct.path, direct.body)
    key = {"Idempotency-Key": "the same"}

    def send() -> Any:
        return bounced.post(behind.path, behind.body, headers=key)

    answers = in_parallel(*[send] * CLIENTS)
    done = [answer for answer in answers if answer.status_code < 300]
    refused = {answer.json["code"] for answer in answers if answer.status_code >= 300}
    assert refused <= {"idempotency-key-in-use"}
    assert {answer.data for answer in done} == {send().data}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
    assert books_of(admin.app, behind.customer) == books_of(admin.app, direct.customer)


def test_payments_at_once_take_all_they_say_off_the_debt(
    bounced: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    loan = bounced.make_loan(amount="1000.00")
    bounced.post(f"/loans/{loan['id']}/activate")
    body = {"customer_id": loan["customer_id"], "total_amount": "1.00"}
    answers = in_parallel(*[lambda: bounced.post("/payments/", body)] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {201: CLIENTS}
    assert bounced.get(f"/loans/{loan['id']}").json["outstanding"] == "980.00"


def test_each_transaction_brings_its_limits_and_leaves_none_behind(service: Flask) -> None:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    shown = select(*(func.current_setting(name) for name in names[:2]))
    with service.app_context():
        for _ in range(2 * POOL):
            with transaction():
                assert tuple(db.session.execute(shown).one()) == ("3s", "10s")
            assert tuple(db.session.execute(shown).one()) == ("0", "0")


def test_a_snapshot_stays_as_it_was_while_others_use_the_connections(service: Flask) -> None:
    counted = select(func.count()).select_from(LoginFailures)
    many = text("SELECT generate_series(1, 5000)")
    with service.app_context(), snapshot() as view:
        before = view.execute(counted).scalar_one()
        rows = view.execute(many).scalars()
        assert next(rows) == 1
        for number in range(2 * POOL):
            with transaction():
                failed = LoginFailures(
                    email_digest=bytes([number]), failures=1, window_ends_at=now()
                )
                db.session.add(failed)
        assert len(rows.all()) == 4999
        assert view.execute(counted).scalar_one() == before


def test_exports_are_the_same_and_leave_no_setting_behind(admin: Caller, bounced: Caller) -> None:
    for deed in DEEDS:
        request = deed(admin)
        assert admin.post(request.path, request.body).status_code < 300
    limit = select(func.current_setting("idle_in_transaction_session_timeout"))
    for path in ("/customers/export", "/loans/export", "/payments/export?format=jsonl"):
        found = {bounced.get(path).data for _ in range(POOL + 1)}
        assert found == {admin.get(path).data}
    with bounced.app.app_context():
        assert {db.session.scalar(limit) for _ in range(2 * POOL)} == {"0"}


def test_when_pgbouncer_comes_back_the_service_does(bounced: Caller, bouncer: PgBouncer) -> None:
    assert bounced.get("/loans/").status_code == 200
    bouncer.stop()
    assert {bounced.get("/loans/").json["code"] for _ in range(2)} == {"database-away"}
    bouncer.start()
    assert bounced.get("/loans/").status_code == 200


def test_the_books_are_verified(bounced: Caller) -> None:
    for deed in DEEDS:
        request = deed(bounced)
        assert bounced.post(request.path, request.body).status_code < 300
    verified = bounced.app.test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output


@pytest.fixture
def in_new_york(bouncer: PgBouncer, admin: Caller) -> Iterator[None]:
    """A server that is not asked to speak UTC speaks another time."""
    (name,) = execute(admin.app, "SELECT current_database()")
    execute(admin.app, f"ALTER DATABASE {name} SET timezone = 'America/New_York'")
    bouncer.restart()
    yield
    execute(admin.app, f"ALTER DATABASE {name} RESET timezone")
    bouncer.restart()


@pytest.mark.usefixtures("in_new_york")
def test_months_are_of_utc_wherever_the_server_stands(
    admin: Caller, bounced: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    loan = admin.make_loan()
    statement = "UPDATE loans SET created_at = '2025-02-01 02:00+00' WHERE id = :loan"
    execute(admin.app, statement, loan=loan["id"])
    reports = in_parallel(*[lambda: bounced.get("/reports/portfolio")] * CLIENTS)
    months = {row["month"] for report in reports for row in report.json["by_month"]}
    assert months == {"2025-02"}
