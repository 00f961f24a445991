"""nginx before the web processes, with the configuration that docker-compose gives it."""

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml
from werkzeug.http import HTTP_STATUS_CODES

from app import LARGEST_BODY
from app.config import load
from app.local.server import LOOPBACK
from app.web.logs import SANE_ID
from tests.network.nginx import BINARY, CONFIG, Nginx, nginx
from tests.serving import Client

ROOT = CONFIG.parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
MIB = 1024 * 1024
SETTINGS = load({"DATABASE_URL": "postgresql://u@h/d", "REDIS_URL": "redis://h"})

needs_nginx = pytest.mark.skipif(BINARY is None, reason="there is no nginx here; apt install nginx")


class Web(ThreadingHTTPServer):
    """A process that tells what it was asked, and hangs up on whoever asks for /broken."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Asked)
        self.asked: list[tuple[str, str, dict[str, str], int]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        told = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, told, len(body)))
        if self.path == "/broken":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        shown = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(shown)))
        self.end_headers()
        self.wfile.write(shown)

    do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def webs() -> Iterator[list[Web]]:
    servers = [Web() for _ in range(2)]
    for server in servers:
        Thread(target=server.serve_forever, daemon=True).start()
    yield servers
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def front(webs: list[Web]) -> Iterator[Nginx]:
    with nginx([web.port for web in webs]) as server:
        yield server


@pytest.fixture
def client(front: Nginx) -> Iterator[Client]:
    with Client(front.port, {}) as client:
        yield client


def asked(webs: list[Web]) -> list[tuple[str, str, dict[str, str], int]]:
    return [each for web in webs for each in web.asked]


@needs_nginx
def test_nginx_finds_nothing_wrong_with_it(front: Nginx) -> None:
    assert BINARY
    done = subprocess.run(
        [BINARY, "-t", "-c", front.config], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.replace('the "user" directive', "")


def problem_of(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The problem, which must be as whole as the service's own."""
    assert headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(body)
    assert set(problem) == {
        *("type", "title", "status", "code", "detail", "message", "request_id"),
    }
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["message"] == problem["detail"] != ""
    assert problem["request_id"] == headers["x-request-id"] != ""
    return problem


def raw(port: int, sent: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """What comes back to these very bytes."""
    with closing(socket.create_connection((LOOPBACK, port), timeout=30)) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()


@needs_nginx
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /.problem HTTP/1.1\r\nHost: a\r\n\r\n", 404),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n", 413),
        (b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 20_000), 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"a" * 70_000), 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_nginx_refuses_is_a_problem_like_the_services(
    front: Nginx, webs: list[Web], sent: bytes, status: int
) -> None:
    found, headers, body = raw(front.port, sent)
    assert found == status
    problem = problem_of(found, headers, body)
    assert problem["title"] == HTTP_STATUS_CODES[status]
    assert problem["code"] == problem["title"].lower().replace(" ", "-")
    assert ("allow" in headers) == (status == 405)
    assert asked(webs) == []


def test_no_code_is_without_a_title_and_words() -> None:
    found = re.findall(r"map \$status \$(title|code|detail) {(.+?)}", CONFIG.read_text(), re.S)
    known = {name: set(re.findall(r"^ +(\w+) ", text, re.M)) for name, text in found}
    assert set(known) == {"title", "code", "detail"}
    pages = re.findall(r"error_page (.+) /\.problem;", CONFIG.read_text())
    answered = {page.rpartition("=")[2] for page in pages if "=" in page}
    answered |= {status for page in pages if "=" not in page for status in page.split()}
    assert all(statuses == answered - {"500"} | {"default"} for statuses in known.values())


@needs_nginx
@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("a.B:c_d-1", True), ("a" * 128, True), ("a" * 129, False), ('a"b', False), ("a b", False)],
)
def test_a_request_has_the_name_its_caller_gave_it_if_that_is_sane(
    front: Nginx, webs: list[Web], given: str, is_kept: bool
) -> None:
    with Client(front.port, {"X-Request-ID": given}) as client:
        passed_on = client.get("/").json["x-request-id"]
        refused = client.send("TRACE", "/")
    assert (passed_on == given) is is_kept
    assert SANE_ID.fullmatch(passed_on)
    named = problem_of(refused.status, refused.headers, refused.body)["request_id"]
    assert (named == given) is is_kept
    assert SANE_ID.fullmatch(named)


@needs_nginx
def test_requests_are_spread_over_the_processes(client: Client, webs: list[Web]) -> None:
    for _ in range(4):
        assert client.get("/loans/").status == 200
    assert [len(web.asked) for web in webs] == [2, 2]


@needs_nginx
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_process_that_is_gone_is_passed_over_whatever_is_asked(
    front: Nginx, webs: list[Web], method: str
) -> None:
    webs[0].shutdown()
    webs[0].server_close()
    with Client(front.port, {}) as client:
        statuses = [client.send(method, "/loans/", {}).status for _ in range(4)]
    # Whatever may not be sent twice is not tried twice, though it was not sent at all.
    may_be = {200, 503} if method == "DELETE" else {200}
    assert set(statuses) <= may_be
    assert statuses.count(200) >= 2


@needs_nginx
@pytest.mark.parametrize(
    ("method", "times"), [("GET", 2), ("POST", 1), ("PATCH", 1), ("DELETE", 1)]
)
def test_only_what_reads_is_asked_of_another_process_once_it_was_sent(
    client: Client, webs: list[Web], method: str, times: int
) -> None:
    answer = client.send(method, "/broken", {})
    assert (answer.status, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    named = {told["x-request-id"] for _, _, told, _ in asked(webs)}
    assert named == {problem_of(answer.status, answer.headers, answer.body)["request_id"]}
    assert len(asked(webs)) == times


@needs_nginx
def test_a_stranger_cannot_say_who_they_are(front: Nginx, webs: list[Web]) -> None:
    forged = {
        "X-Forwarded-For": "10.1.2.3",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=10.1.2.3",
        "X-Real-IP": "10.1.2.3",
        "Host": "loans.example",
    }
    with Client(front.port, forged) as client:
        told = client.get("/").json
    assert told["x-forwarded-for"] == LOOPBACK
    assert (told["x-forwarded-proto"], told["x-forwarded-host"]) == ("http", "loans.example")
    assert not {"forwarded", "x-real-ip"} & told.keys()


@needs_nginx
def test_whoever_ends_tls_is_believed(webs: list[Web]) -> None:
    given = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    ports = [web.port for web in webs]
    with nginx(ports, trusted=LOOPBACK) as front, Client(front.port, given) as it:
        told = it.get("/").json
    assert (told["x-forwarded-for"], told["x-forwarded-proto"]) == ("203.0.113.9", "https")


@needs_nginx
def test_every_proxy_that_is_named_is_believed_and_looked_behind(webs: list[Web]) -> None:
    given = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 10.1.2.3"}
    ports = [web.port for web in webs]
    trusted = f" 10.1.0.0/16 ,, {LOOPBACK}"
    with nginx(ports, trusted=trusted) as front, Client(front.port, given) as client:
        assert client.get("/").json["x-forwarded-for"] == "203.0.113.9"


@needs_nginx
def test_a_slow_client_keeps_no_process_waiting(front: Nginx, webs: list[Web]) -> None:
    with closing(socket.create_connection((LOOPBACK, front.port), timeout=30)) as slow:
        head = "POST /loans/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
        slow.sendall(head.encode() + b"01234")
        with Client(front.port, {}) as quick:
            assert quick.get("/healthz").status == 200
        assert [path for _, path, *_ in asked(webs)] == ["/healthz"]
        slow.sendall(b"56789")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert ("POST", "/loans/", 10) in [(each[0], each[1], each[3]) for each in asked(webs)]


@needs_nginx
@pytest.mark.parametrize("home", ["/customers/", SETTINGS.admin_url])
@pytest.mark.parametrize("path", ["loans/", "", "imports/x"])
def test_only_an_import_is_large(front: Nginx, webs: list[Web], home: str, path: str) -> None:
    large = b"0" * (3 * MIB)
    for asked_for, status in (
        (f"{home}{path}", 413),
        (f"{home}imports", 200),
        (f"{home}imports/", 200),
    ):
        connection = http.client.HTTPConnection(LOOPBACK, front.port, timeout=30)
        with closing(connection):
            connection.request("POST", asked_for, large)
            answer = connection.getresponse()
            assert answer.status == status
            if status == 413:
                assert json.loads(answer.read())["code"] == "request-entity-too-large"
    assert {each[3] for each in asked(webs)} == {len(large)}


@needs_nginx
@pytest.mark.parametrize("home", ["/customers/", SETTINGS.admin_url])
def test_an_address_sends_two_files_at_once_and_looks_on(front: Nginx, home: str) -> None:
    path = f"{home}imports/"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n"
    with ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(socket.create_connection((LOOPBACK, front.port), timeout=30))
            slow.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert slow.recv(12) == b"HTTP/1.1 100"
        client = stack.enter_context(Client(front.port, {}))
        assert client.get(path).status == 200
        answer = client.send("POST", path, {})
        assert (answer.status, answer.json["code"]) == (429, "too-many")
        assert answer.headers["retry-after"] == "10"
        problem_of(answer.status, answer.headers, answer.body)


@needs_nginx
def test_connections_to_the_processes_are_kept(client: Client, webs: list[Web]) -> None:
    told = [client.get("/").json for _ in range(2)]
    assert all("connection" not in each for each in told)


def test_the_limits_are_those_of_the_service() -> None:
    text = CONFIG.read_text()
    whole, imports = map(int, re.findall(r"client_max_body_size (\d+)m;", text))
    assert whole * MIB >= LARGEST_BODY
    assert SETTINGS.max_import_bytes < imports * MIB <= SETTINGS.max_import_bytes + MIB


def test_it_believes_the_gateway_of_its_network_and_whom_it_is_told_to() -> None:
    text = CONFIG.read_text()
    (edge,) = COMPOSE["networks"]["edge"]["ipam"]["config"]
    assert re.findall(r"set_real_ip_from (\S+);", text) == [edge["gateway"]]
    assert re.findall(r"^ +([\d.]+\.\d+) 1;$", text, re.M) == [edge["gateway"]]
    assert re.findall(r"include (\S+);", text) == ["/tmp/nginx/believed", "/tmp/nginx/told"]  # noqa: S108
    given = COMPOSE["services"]["nginx"]["environment"]
    assert given == {"TRUSTED_PROXIES": "${TRUSTED_PROXIES:-}"}


def test_it_passes_nothing_on_that_was_added_to_what_a_stranger_said() -> None:
    assert "proxy_add_x_forwarded_for" not in CONFIG.read_text()
