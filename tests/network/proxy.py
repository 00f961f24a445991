"""A TCP proxy before PostgreSQL that reads its protocol, and cuts the connection where told."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from threading import Lock, Thread

from sqlalchemy import make_url

from app.local.server import LOOPBACK

LARGEST = 65_536
# Of the client: what asks for an answer by itself, and what waits for the Sync behind it.
QUERY, SYNC, PARSE = b"Q", b"S", b"P"
AWAITING_SYNC = (PARSE, b"B", b"D", b"E", b"C")
# Of the server.
READY, COMPLETE = b"Z", b"C"


@dataclass
class Statement:
    """One round trip: its number since the last `watch`, its text, and how the server ended it.

    `tag` is the server's CommandComplete, empty before that came. A prepared statement that is run
    again has no text.
    """

    number: int
    text: str
    tag: str = ""


class Fate(Enum):
    """What becomes of a statement."""

    PASS = "passes"
    CUT_BEFORE = "is cut off before it reaches the server"
    CUT_AFTER = "is cut off after the server has done it, and before the client hears of it"


Plan = Callable[[Statement], Fate]


class Proxy:
    """Passes whole round trips between clients and one server, as long as `plan` lets it.

    Where a connection is cut, the server's end goes first, and the client's when the server has
    let go of everything: who tries again meets no leftover of the first attempt.
    """

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url)
        self._server = (url.host or LOOPBACK, url.port or 5432)
        self._listening = socket.create_server((LOOPBACK, 0))
        self._lock = Lock()
        self._plan: Plan = passing
        self.seen: list[Statement] = []
        mine = url.set(host=LOOPBACK, port=self._listening.getsockname()[1])
        # In the clear, or there is nothing to be read.
        mine = mine.update_query_dict({"sslmode": "disable", "gssencmode": "disable"})
        self.url = mine.render_as_string(hide_password=False)

    def watch(self, plan: Plan) -> None:
        """Judge each statement by `plan` from now on, counting them from 1."""
        with self._lock:
            self._plan, self.seen = plan, []

    def judge(self, text: str) -> tuple[Statement, Fate]:
        with self._lock:
            statement = Statement(len(self.seen) + 1, text)
            self.seen.append(statement)
            return statement, self._plan(statement)

    def serve(self) -> None:
        """Take clients until `close`."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                _Line(self, client, socket.create_connection(self._server))
            except OSError:  # the server is away, and so are we
                client.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


class _Line:
    """One client's connection, in two threads that end with it."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._running: Statement | None = None
        self._is_cut = False
        for work in (self._ask, self._answer):
            Thread(target=work, daemon=True).start()

    def _ask(self) -> None:
        """Pass what the client sends, statement by statement."""
        with suppress(OSError, EOFError):
            self._server.sendall(_startup(self._client))
            held, text = b"", ""
            for kind, message in _messages(self._client):
                held += message
                if kind in (QUERY, PARSE):
                    text = _text(kind, message)
                if kind in (QUERY, SYNC):
                    if not self._may_pass(text):
                        break
                    text = ""
                if kind not in AWAITING_SYNC:
                    self._server.sendall(held)
                    held = b""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_WR)

    def _may_pass(self, text: str) -> bool:
        self._running, fate = self._proxy.judge(text)
        self._is_cut = fate is not Fate.PASS
        return fate is not Fate.CUT_BEFORE

    def _answer(self) -> None:
        """Pass what the server answers, a whole round at a time; the client ends with the server.

        Once cut, what the server still says is for nobody.
        """
        with suppress(OSError, EOFError):
            held = b""
            for kind, message in _messages(self._server):
                held += message
                if kind == COMPLETE and self._running:
                    self._running.tag = message[5:-1].decode()
                if self._is_cut and kind == READY:
                    self._server.shutdown(socket.SHUT_WR)
                if (kind == READY or self._running is None) and not self._is_cut:
                    self._client.sendall(held)
                    held = b""
        for end in (self._client, self._server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def passing(_: Statement) -> Fate:
    return Fate.PASS


def before(text: str) -> Plan:
    """Cut before a statement of that text reaches the server."""
    return lambda statement: Fate.CUT_BEFORE if statement.text == text else Fate.PASS


def after(which: int | str) -> Plan:
    """Cut after the statement of that number or text, before the client hears of it."""
    return lambda statement: (
        Fate.CUT_AFTER if which in (statement.number, statement.text) else Fate.PASS
    )


@contextmanager
def proxied(database_url: str) -> Iterator[Proxy]:
    """A proxy to the server of `database_url`, on a port of its own."""
    proxy = Proxy(database_url)
    server = Thread(target=proxy.serve, daemon=True)
    server.start()
    try:
        yield proxy
    finally:
        proxy.close()
        server.join()


def _startup(client: socket.socket) -> bytes:
    """The first message, the only one without a type."""
    length = _exactly(client, 4)
    return length + _exactly(client, int.from_bytes(length) - 4)


def _messages(source: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Each message with its type, until the end. Raises EOFError there."""
    while True:
        head = _exactly(source, 5)
        yield head[:1], head + _exactly(source, int.from_bytes(head[1:]) - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        chunk = source.recv(min(count - len(read), LARGEST))
        if not chunk:
            raise EOFError
        read += chunk
    return bytes(read)


def _text(kind: bytes, message: bytes) -> str:
    """The statement of a Query, or of a Parse, where it follows the name to keep it under."""
    fields = message[5:].split(b"\0")
    return fields[0 if kind == QUERY else 1].decode()
