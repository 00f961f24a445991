"""Clients that go in the middle of a file: of what was kept by then nothing is left."""

import socket
from collections.abc import Iterator

import pytest
from flask import Flask

from app.local.processes import wait_until
from app.local.server import LOOPBACK
from tests.attacks import fingerprint
from tests.credentials import execute
from tests.factories import Caller
from tests.importing import lines, names
from tests.serving import PATIENCE, Service, served

LIMIT = 20_000_000
BOUNDARY = "a-boundary"
DISPOSITION = 'Content-Disposition: form-data; name="file"; filename="customers.csv"'
BEGINNING = f"--{BOUNDARY}\r\n{DISPOSITION}\r\n\r\n".encode()
# More than is kept at once.
CONTENT = lines(names("crm", 150_000)).encode()
CHUNKS = "SELECT count(*) FROM customer_import_chunks"
LENGTHS = {"a length": "Content-Length: 9000000", "no length": "Transfer-Encoding: chunked"}


@pytest.fixture(scope="module")
def service(environ: dict[str, str]) -> Iterator[Service]:
    with served({**environ, "MAX_IMPORT_BYTES": str(LIMIT)}, workers=1) as service:
        yield service


def begun(service: Service, caller: Caller, length: str, form: bytes) -> socket.socket:
    """A request of which so much was sent, and the rest is to come."""
    head = (
        "POST /customers/imports HTTP/1.1\r\nHost: lender\r\n"
        f"Authorization: {caller.headers['Authorization']}\r\n{length}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    )
    if "chunked" in length:
        form = f"{len(form):x}\r\n".encode() + form + b"\r\n"
    connection = socket.create_connection((LOOPBACK, service.port), PATIENCE)
    connection.sendall(head.encode() + form)
    return connection


@pytest.mark.parametrize("length", LENGTHS.values(), ids=LENGTHS)
def test_of_a_file_whose_sender_is_gone_nothing_is_left(
    app: Flask, admin: Caller, service: Service, length: str
) -> None:
    before = fingerprint(app)
    with begun(service, admin, length, BEGINNING + CONTENT):
        assert wait_until(lambda: execute(app, CHUNKS)[0] > 0, PATIENCE)
    assert wait_until(lambda: fingerprint(app) == before, PATIENCE)


@pytest.mark.parametrize("length", [LIMIT + 2_000_000, 10**15])
def test_what_says_that_it_is_too_large_is_not_waited_for(
    app: Flask, admin: Caller, service: Service, length: int
) -> None:
    before = fingerprint(app)
    with begun(service, admin, f"Content-Length: {length}", BEGINNING) as connection:
        assert connection.recv(1_000).startswith(b"HTTP/1.1 413 ")
    assert fingerprint(app) == before
