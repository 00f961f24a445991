"""Bodies that come in chunks, with no length said before: read to the same limits as all others."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from flask import Flask

from app import LARGEST_BODY
from app.local.processes import wait_until
from app.local.server import LOOPBACK
from tests.attacks import fingerprint
from tests.factories import Caller
from tests.serving import PATIENCE, Answer, Service, served

CUSTOMER = json.dumps({"external_id": "in-chunks", "credit_limit": "12.50"}).encode()


@pytest.fixture(scope="module")
def service(environ: dict[str, str]) -> Iterator[Service]:
    with served({**environ, "LOG_LEVEL": "INFO"}, workers=1) as service:
        yield service


def answered(service: Service, caller: Caller, body: bytes, size: int) -> Answer:
    """To the body in chunks of that size, as far as it was taken."""
    connection = http.client.HTTPConnection(LOOPBACK, service.port, timeout=PATIENCE)
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    headers = {**caller.headers, "Content-Type": "application/json"}
    with closing(connection):
        connection.putrequest("POST", "/customers/")
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            connection.putheader(name, value)
        with suppress(OSError):  # from one that is refused before it was sent
            connection.endheaders(chunks, encode_chunked=True)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_one_is_read_whole_however_it_is_cut(
    admin: Caller, service: Service, clean: None, size: int
) -> None:
    answer = answered(service, admin, CUSTOMER, size)
    assert (answer.status, answer.json["credit_limit"]) == (201, "12.50")


@pytest.mark.parametrize("excess", [1, 9 * LARGEST_BODY])
def test_one_beyond_the_limit_is_refused_and_changes_nothing(
    app: Flask, admin: Caller, service: Service, excess: int
) -> None:
    before = fingerprint(app)
    body = CUSTOMER.ljust(LARGEST_BODY + excess)
    answer = answered(service, admin, body, LARGEST_BODY)
    assert (answer.status, answer.json["status"]) == (413, 413)
    assert answer.headers["content-type"] == "application/problem+json"
    assert fingerprint(app) == before


def test_one_that_breaks_off_changes_nothing_and_holds_up_nobody(
    app: Flask, admin: Caller, service: Service
) -> None:
    before = fingerprint(app)
    with closing(http.client.HTTPConnection(LOOPBACK, service.port, timeout=PATIENCE)) as slow:
        slow.putrequest("POST", "/customers/")
        headers = {**admin.headers, "Content-Type": "application/json", "X-Request-ID": "slow"}
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            slow.putheader(name, value)
        slow.endheaders(b"%x\r\n%b\r\n" % (len(CUSTOMER), CUSTOMER))  # and no end of it
        with service.client(admin.headers) as quick:
            assert quick.get("/customers/").status == 200
    assert wait_until(lambda: '"request_id":"slow"' in service.log.read_text(), PATIENCE)
    assert fingerprint(app) == before
