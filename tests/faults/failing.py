"""The service whose worker dies at the statement that a request names.

With the header `Kill-At: before 7` or `after 7` the worker kills itself, by SIGKILL, right before
it sends the request's seventh statement to PostgreSQL, or right after PostgreSQL has answered it.
Without, the request is answered as always, and `Statements` tells what it sent, as JSON.

A statement is what is sent and answered as one, whoever sends it: a query, an executemany() in its
pipeline, and the BEGIN, COMMIT and ROLLBACK around them.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection, event

from app import create_app, driver

LENGTH = 72
# The file, if any, to which libpq writes every message to and from PostgreSQL.
TRACE = "TRACE_POSTGRESQL"


class Failpoints:
    """The statements of one request, and the place among them that is fatal."""

    def __init__(self, kill_at: str) -> None:
        self.statements: list[str] = []
        self._kill_at = kill_at

    @contextmanager
    def around(self, statement: Any) -> Iterator[None]:
        self.statements.append(_brief(statement))
        number = len(self.statements)
        self._pass(f"before {number}")
        try:
            yield
        finally:
            self._pass(f"after {number}")

    def _pass(self, place: str) -> None:
        if place == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Requests(threading.local):
    """The request that this thread works for, at first none."""

    points = Failpoints("")


at_work = Requests()


class FailingCursor(psycopg.Cursor[Any]):
    def _maybe_prepare_gen(self, *args: Any, **kwargs: Any) -> Any:
        if self._conn._pipeline:
            return (yield from super()._maybe_prepare_gen(*args, **kwargs))
        with at_work.points.around(args[0].query):
            return (yield from super()._maybe_prepare_gen(*args, **kwargs))

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        with at_work.points.around(query):
            super().executemany(query, *args, **kwargs)


class FailingConnection(psycopg.Connection[Any]):
    def _exec_command(self, command: Any, *args: Any, **kwargs: Any) -> Any:
        if self._pipeline:
            return (yield from super()._exec_command(command, *args, **kwargs))
        with at_work.points.around(command):
            return (yield from super()._exec_command(command, *args, **kwargs))


@event.listens_for(Engine, "do_connect")
def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> FailingConnection:
    connection = FailingConnection.connect(*arguments, cursor_factory=FailingCursor, **options)
    if TRACE in os.environ:
        protocol = os.open(os.environ[TRACE], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        connection.pgconn.trace(protocol)
    return connection


_command = driver.command


def _failing_command(lent: PoolProxiedConnection, words: bytes) -> None:
    with at_work.points.around(words):
        _command(lent, words)


driver.command = _failing_command
service = create_app()
for background in ("notices", "tallies", "queue"):
    service.extensions[background].close()


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The service; its answer is let go only when the request has sent its last statement."""
    at_work.points = Failpoints(environ.get("HTTP_KILL_AT", ""))
    head: list[Any] = []
    body = service(environ, lambda *given: head.append(given))
    status, headers, *_ = head[-1]
    start_response(status, [*headers, ("Statements", json.dumps(at_work.points.statements))])
    return body


def _brief(statement: Any) -> str:
    text = statement.decode() if isinstance(statement, bytes) else str(statement)
    return " ".join(text.split())[:LENGTH]
