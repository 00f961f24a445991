"""A service that is told to end says so first, and leaves no request that it accepted unanswered.

SIGTERMS says how often; the promise was tried for 50.
"""

import http.client
import os
import signal
import socket
import time
from collections import Counter

import psycopg
import pytest

from app.local.processes import wait_until
from app.local.server import LOOPBACK
from app.models import Role
from fair_worker import turn_away_the_next
from tests.credentials import key_holder
from tests.factories import Caller
from tests.figures import report
from tests.network.insistent import CLOSED_BETWEEN, REFUSED, Payers
from tests.serving import PATIENCE, Client, Service, served

SIGTERMS = int(os.environ.get("SIGTERMS", "2"))
CUSTOMERS = 8
NOTICE_SECONDS = 1
EXIT_SECONDS = 30
PING_SECONDS = 10
STORED = "SELECT id::text FROM payments"


@pytest.fixture
def ending(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "GUNICORN_NOTICE_SECONDS": str(NOTICE_SECONDS)}


@pytest.fixture
def customers(admin: Caller) -> list[str]:
    return [str(admin.make_debt()["customer_id"]) for _ in range(CUSTOMERS)]


@pytest.fixture
def officer(admin: Caller) -> Caller:
    """With a key, which outlasts the longest run."""
    return key_holder(admin, Role.OFFICER)


def readiness(service: Service) -> int | None:
    """What /ping says on a connection of its own, or None where there is none to be had."""
    try:
        with Client(service.port, {}, timeout=PING_SECONDS) as client:
            return client.get("/ping").status
    except (OSError, http.client.HTTPException):
        return None


def ended_under_load(payers: Payers) -> tuple[list[int | None], int, float, float]:
    """What /ping said from the signal on, and how many were paid meanwhile.

    With the seconds until the first who was not let in asked, and until the service had ended.
    """
    service, said = payers.service, []
    with payers.running():
        payers.await_answers(CUSTOMERS)
        assert readiness(service) == 200
        began = time.monotonic()
        os.kill(service.master, signal.SIGTERM)
        assert wait_until(lambda: said.append(readiness(service)) or said[-1] != 200, PATIENCE)
        before = len(payers.paid)
        payers.await_answers(1)
        closed = 0.0
        while said[-1] is not None:
            closed = time.monotonic() - began
            said.append(readiness(service))
        assert service.ended(within=EXIT_SECONDS) == 0
        return said, len(payers.paid) - before, closed, time.monotonic() - began


def test_no_request_that_was_accepted_is_dropped_when_the_service_ends_under_load(
    officer: Caller, ending: dict[str, str], customers: list[str]
) -> None:
    told, paid, seconds = Counter[int | str](), set[str](), []
    for _ in range(SIGTERMS):
        with served(ending) as service:
            payers = Payers(service, officer, customers)
            said, paid_on_notice, open_for, took = ended_under_load(payers)
        assert 503 in said
        assert open_for >= NOTICE_SECONDS
        assert paid_on_notice > 0
        told.update(payers.told)
        paid.update(payers.paid)
        seconds.append(took)
    with psycopg.connect(ending["DATABASE_URL"]) as connection:
        stored = {id_ for (id_,) in connection.execute(STORED)}
    report(
        "ended under load",
        sigterms=SIGTERMS,
        told=dict(Counter(map(str, told.elements()))),
        **{"longest until the exit, s": round(max(seconds), 1)},
    )
    assert set(told) <= {201, CLOSED_BETWEEN, REFUSED}
    assert stored == paid
    assert max(seconds) <= EXIT_SECONDS


def test_nobody_is_turned_away_while_workers_are_replaced(
    officer: Caller, ending: dict[str, str], customers: list[str]
) -> None:
    with served(ending) as service:
        payers, former = Payers(service, officer, customers), set(service.workers())
        said = []
        with payers.running():
            payers.await_answers(CUSTOMERS)
            os.kill(service.master, signal.SIGHUP)
            assert wait_until(
                lambda: (
                    said.append(readiness(service))
                    or said[-1] != 200
                    or not former & set(service.workers())
                ),
                PATIENCE,
            )
            assert set(said) == {200}
            payers.await_answers(CUSTOMERS)
    assert set(payers.told) <= {201, CLOSED_BETWEEN}


def test_nobody_is_turned_away_while_workers_give_way_after_their_last_request(
    officer: Caller, ending: dict[str, str], customers: list[str]
) -> None:
    few = {"GUNICORN_MAX_REQUESTS": "30", "GUNICORN_MAX_REQUESTS_JITTER": "30"}
    with served({**ending, **few}) as service:
        payers = Payers(service, officer, customers)
        former = set(service.workers())
        with payers.running():
            assert wait_until(lambda: not former & set(service.workers()), PATIENCE)
            payers.await_answers(CUSTOMERS)
    assert set(payers.told) <= {201, CLOSED_BETWEEN}


def test_the_kernel_passes_over_new_connections_and_keeps_those_it_has_made() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as former:
            turn_away_the_next(listener)
            former.sendall(b"asked")
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            made, _ = listener.accept()
            assert made.recv(5) == b"asked"
            made.close()
