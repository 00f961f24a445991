"""PostgreSQL stopped at once and started again under load: the service says so, and recovers."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.local.postgres import Postgres
from app.models import Role
from tests.conftest import migrate
from tests.credentials import execute
from tests.factories import Caller, Lender
from tests.figures import report
from tests.network.load import BROKEN, Load
from tests.network.own_postgres import new_database, own_postgres
from tests.serving import served

# 20 were tried.
RESTARTS = int(os.environ.get("DATABASE_RESTARTS", "2"))
ANSWERS_BETWEEN = int(os.environ.get("ANSWERS_BETWEEN_RESTARTS", "100"))
CUSTOMERS = 3
SUMS = """
SELECT (SELECT sum(CASE direction WHEN 'debit' THEN amount ELSE -amount END) FROM entries) AS off,
       (SELECT sum(amount - outstanding) FROM loans) AS paid,
       (SELECT sum(balance) FROM accounts) - (SELECT sum(amount) FROM loans) AS deposited,
       (SELECT array_agg(id::text ORDER BY id) FROM payments) AS payments,
       (SELECT array_agg(id::text ORDER BY id) FROM journal WHERE kind = 'deposit') AS deposits
"""


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    with own_postgres() as server:
        yield server


@pytest.fixture
def url(postgres: Postgres) -> str:
    url = new_database(postgres, "restarted_test")
    migrate(url)
    return url


def test_nothing_acknowledged_is_lost_when_the_database_is_restarted_under_load(
    postgres: Postgres,
    url: str,
    make_app: Callable[..., Flask],
    environ: dict[str, str],
) -> None:
    admin = Lender(make_app(DATABASE_URL=url)).user(Role.ADMIN)
    customers = [indebted_customer(admin) for _ in range(CUSTOMERS)]
    downtimes = []
    with served({**environ, "DATABASE_URL": url}) as service:
        workers = service.workers()
        load = Load(service, admin, customers)
        with load.running():
            for _ in range(RESTARTS):
                load.await_answers(ANSWERS_BETWEEN)
                began = time.monotonic()
                postgres.restart(signal.SIGQUIT)
                load.await_answers(1)
                downtimes.append(time.monotonic() - began)
                assert service.workers() == workers
            load.await_answers(ANSWERS_BETWEEN)
    report(
        "restarts of the database",
        restarts=RESTARTS,
        acknowledged=load.acknowledged,
        answers=dict(Counter(map(str, load.told))),
        **{"longest until it answered again, s": round(max(downtimes), 2)},
    )
    assert set(load.told) <= {201, 503, BROKEN}
    assert 503 in load.told
    assert_done_once(make_app(DATABASE_URL=url), load)


def indebted_customer(admin: Caller) -> str:
    loan = admin.make_loan()
    assert admin.post(f"/loans/{loan['id']}/activate").status_code == 200
    return str(loan["customer_id"])


def assert_done_once(app: Flask, load: Load) -> None:
    """What was acknowledged, and nothing else, is in the books; and these are right."""
    books = execute(app, SUMS)
    assert books.payments == sorted(load.payments)
    assert books.deposits == sorted(load.deposits)
    assert (books.off, books.paid, books.deposited) == (
        0,
        len(load.payments),
        len(load.deposits),
    )
    verified = app.test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output
