"""Exports over the network: clients that go, or stop reading, and what they make of half a file."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from flask import Flask

from app.config import Settings
from app.local.processes import wait_until
from app.local.server import LOOPBACK
from app.models import Role
from app.services.exports import AT_ONCE
from tests.conftest import sweep
from tests.exported import READERS, crowd, lose_the_reader
from tests.factories import Caller, Lender
from tests.serving import PATIENCE, Service, served

# Far more than all buffers on the way hold, and as many as the brief list that it is compared with.
MANY, FEW = 50_000, 5_000
MIB = 1024
GROWN_AT_MOST = 10 * MIB
# Milliseconds in which a server that can write does.
RESTED = 200
LAST_CHUNK = b"0\r\n\r\n"
BUSY = b"exports-busy"
STATUS = Path("/proc/self/status")


@pytest.fixture(scope="module")
def lender(app: Flask, settings: Settings) -> Iterator[Lender]:
    """With so many loans."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        crowd(connection, customers=100, loans=MANY)
    yield Lender(app)
    sweep(app, settings)


@pytest.fixture(scope="module")
def officer(lender: Lender) -> Caller:
    return lender.user(Role.OFFICER)


@pytest.fixture(scope="module")
def service(environ: dict[str, str], lender: Lender) -> Iterator[Service]:
    with served(environ, workers=1) as service:
        yield service


@pytest.fixture
def sql(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@contextmanager
def asked(
    service: Service, officer: Caller, version: str = "1.1", asked: str = ""
) -> Iterator[socket.socket]:
    """A connection on which an export was asked for. Little of it fits in between."""
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.settimeout(PATIENCE)
        connection.connect((LOOPBACK, service.port))
        told = {"Host": "lender", "Connection": "close", **officer.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        connection.sendall(f"GET /loans/export?{asked} HTTP/{version}\r\n{head}\r\n".encode())
        yield connection


def begun(connection: socket.socket) -> bytes:
    """The beginning of what is answered."""
    told = b""
    while b"\r\n\r\n" not in told:
        told += connection.recv(4_096)
    return told


def rest(connection: socket.socket) -> bytes:
    """All that follows. Raises ConnectionResetError where that is not all there is."""
    told = bytearray()
    while some := connection.recv(1 << 20):
        told += some
    return bytes(told)


def is_stuck(sql: psycopg.Connection[Any], readers: int = 1) -> bool:
    """Whether so many exports wait for their clients, and have for a while."""
    resting = [rested for _, rested in sql.execute(READERS).fetchall()]
    return len(resting) == readers and all(rested > RESTED for rested in resting)


def is_whole(service: Service, officer: Caller) -> bool:
    """Whether all loans can be exported now. It may be that there is no room."""
    with service.client(officer.headers) as client:
        answer = client.get("/loans/export")
    if answer.status == 503:
        assert BUSY in answer.body
        return False
    return (answer.status, answer.body.count(b"\r\n")) == (200, MANY + 1)


def test_all_of_it_arrives_in_chunks_and_the_connection_lives_on(
    service: Service, officer: Caller
) -> None:
    with service.client(officer.headers) as client:
        for kind in ("csv", "jsonl"):
            answer = client.get(f"/loans/export?format={kind}")
            assert answer.headers["transfer-encoding"] == "chunked"
            assert answer.headers["connection"] == "keep-alive"
            assert "content-length" not in answer.headers
            assert answer.body.count(b"\n") == MANY + (kind == "csv")
        assert client.get("/loans/?page_size=1").status == 200


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_whatever_the_client_speaks_all_of_it_ends_in_order(
    service: Service, officer: Caller, version: str
) -> None:
    with asked(service, officer, version) as connection:
        told = begun(connection) + rest(connection)
    assert told.endswith(LAST_CHUNK if version == "1.1" else b"Z\r\n")


def test_a_client_that_is_slower_than_the_server_gets_all_of_it(
    service: Service, officer: Caller
) -> None:
    """Also what the system has still to send when the server has closed the connection."""
    (worker,) = service.workers()
    with asked(service, officer, "1.0", f"max_amount={FEW}") as connection:
        told = begun(connection)
        _, mine = connection.getsockname()

        def is_closed() -> bool:
            kept = psutil.Process(worker).net_connections("tcp")
            return not any(each.raddr and each.raddr.port == mine for each in kept)

        assert wait_until(is_closed, PATIENCE)
        told += rest(connection)
    assert told.count(b"a van") == FEW


def test_head_is_answered_at_once(service: Service, officer: Caller) -> None:
    with service.client(officer.headers) as client:
        head = client.send("HEAD", "/loans/export")
        assert (head.status, head.body) == (200, b"")
        assert client.get("/healthz").status == 200


def test_clients_that_go_in_the_middle_leave_nothing_behind(
    service: Service, officer: Caller, sql: psycopg.Connection[Any]
) -> None:
    for _ in range(AT_ONCE + 1):
        with asked(service, officer) as connection:
            assert b" 200 OK" in begun(connection)
        assert wait_until(lambda: is_stuck(sql, 0), PATIENCE)
    assert wait_until(lambda: is_whole(service, officer), PATIENCE)


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_what_breaks_off_is_never_taken_for_whole(
    service: Service, officer: Caller, sql: psycopg.Connection[Any], version: str
) -> None:
    """In HTTP/1.0, too, where the end of the connection would be the end of the answer."""
    with asked(service, officer, version) as connection:
        begun(connection)
        assert wait_until(lambda: is_stuck(sql), PATIENCE)
        lose_the_reader(sql)
        with pytest.raises(ConnectionResetError):
            rest(connection)
    log = service.log.read_text()
    assert '"event":"an export broke off"' in log
    assert "a van" not in log
    assert wait_until(lambda: is_whole(service, officer), PATIENCE)


def test_there_is_room_for_others_while_as_many_are_exported_as_may_be(
    service: Service, officer: Caller, sql: psycopg.Connection[Any]
) -> None:
    with asked(service, officer) as one, asked(service, officer) as another:
        begun(one)
        begun(another)
        assert wait_until(lambda: is_stuck(sql, AT_ONCE), PATIENCE)
        with service.client(officer.headers) as client:
            refused = client.get("/loans/export")
            assert (refused.status, BUSY in refused.body) == (503, True)
            assert refused.headers["retry-after"] == "10"
            assert client.get("/loans/").status == 200
    assert wait_until(lambda: is_whole(service, officer), PATIENCE)


def test_clients_that_stop_reading_are_given_up(
    environ: dict[str, str], officer: Caller, sql: psycopg.Connection[Any]
) -> None:
    with served(environ, "tests.network.impatient:app", workers=1) as service:
        with asked(service, officer) as one, asked(service, officer, "1.0") as another:
            begun(one)
            begun(another)
            assert wait_until(lambda: is_whole(service, officer), PATIENCE)
            for connection in (one, another):
                with pytest.raises(ConnectionResetError):
                    rest(connection)
        assert wait_until(lambda: is_stuck(sql, 0), PATIENCE)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_ends_meanwhile_ends_no_file(
    environ: dict[str, str], officer: Caller, sql: psycopg.Connection[Any], signum: int
) -> None:
    brief = {**environ, "GUNICORN_GRACEFUL_TIMEOUT": "1"}
    with served(brief, workers=1) as service, asked(service, officer, "1.0") as connection:
        begun(connection)
        assert wait_until(lambda: is_stuck(sql), PATIENCE)
        (worker,) = service.workers()
        os.kill(worker if signum == signal.SIGKILL else service.master, signum)
        assert wait_until(lambda: not psutil.pid_exists(worker), PATIENCE)
        with pytest.raises(ConnectionResetError):
            rest(connection)
    assert wait_until(lambda: is_stuck(sql, 0), PATIENCE)


@pytest.mark.skipif(not STATUS.exists(), reason="how much memory it once took tells Linux alone")
def test_memory_does_not_grow_with_what_is_exported(
    environ: dict[str, str], officer: Caller
) -> None:
    peaks = []
    with served(environ, workers=1) as service, service.client(officer.headers) as client:
        (worker,) = service.workers()
        for number in (FEW, MANY):
            for kind in ("csv", "jsonl"):
                answer = client.get(f"/loans/export?format={kind}&max_amount={number}")
                assert answer.body.count(b"\n") == number + (kind == "csv")
            peaks.append(most_memory(worker))
    assert peaks[1] - peaks[0] <= GROWN_AT_MOST


def most_memory(pid: int) -> int:
    """How much a process ever took, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (told,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(told.split()[1])
