"""Clients that go before they have heard the answer: what they asked for is done once."""

import json
import socket
from collections.abc import Iterator
from uuid import uuid4

import pytest

from app.local.processes import wait_until
from app.local.server import LOOPBACK
from tests.credentials import execute
from tests.factories import Caller
from tests.network.deeds import DEEDS, Books, Deed, books_of
from tests.serving import PATIENCE, Answer, Service, served

KEPT = "SELECT count(*) FROM kept_answers WHERE key = :key"


@pytest.fixture(scope="module")
def service(environ: dict[str, str]) -> Iterator[Service]:
    with served(environ) as service:
        yield service


def ask_and_go(service: Service, path: str, body: object, headers: dict[str, str]) -> None:
    """Send a whole request, and close the connection without waiting for anything."""
    sent = json.dumps(body).encode()
    told = {"Host": "lender", "Content-Type": "application/json", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    with socket.create_connection((LOOPBACK, service.port), PATIENCE) as connection:
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}".encode())
        connection.sendall(f"Content-Length: {len(sent)}\r\n\r\n".encode() + sent)


def until_answered(service: Service, admin: Caller, path: str, body: object, key: str) -> Answer:
    """What a retry is answered, once the first request is no longer at work."""
    answers: list[Answer] = []

    def is_answered() -> bool:
        with service.client(admin.headers) as client:
            answers.append(client.post(path, body, key=key))
        return answers[-1].status != 409

    assert wait_until(is_answered, PATIENCE)
    return answers[-1]


def done_once(admin: Caller, deed: Deed) -> Books:
    """The books of another customer after the same, which nothing interrupted."""
    request = deed(admin)
    assert admin.post(request.path, request.body).status_code < 300
    return books_of(admin.app, request.customer)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_client_that_goes_before_the_answer_finds_it_when_it_asks_again(
    admin: Caller, service: Service, deed: Deed
) -> None:
    request, key, done = deed(admin), str(uuid4()), done_once(admin, deed)
    ask_and_go(service, request.path, request.body, {**admin.headers, "Idempotency-Key": key})
    assert wait_until(lambda: execute(admin.app, KEPT, key=key)[0] == 1, PATIENCE)
    answer = until_answered(service, admin, request.path, request.body, key)
    assert (answer.status < 300, answer.headers.get("idempotency-replayed")) == (True, "true")
    assert books_of(admin.app, request.customer) == done


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_client_that_goes_and_asks_again_at_once_has_it_done_once(
    admin: Caller, service: Service, deed: Deed
) -> None:
    request, key, done = deed(admin), str(uuid4()), done_once(admin, deed)
    for _ in range(3):
        ask_and_go(service, request.path, request.body, {**admin.headers, "Idempotency-Key": key})
    answer = until_answered(service, admin, request.path, request.body, key)
    assert answer.status < 300
    assert books_of(admin.app, request.customer) == done
