"""Exports as answers: written while they are read, in as little memory however long they are."""

import logging
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from flask import Request, Response, g
from marshmallow import Schema

from app.services.exports import Export
from app.web import csv
from app.web.shown import json, parts_of, shower

log = logging.getLogger(__name__)

# How long a client may take for a chunk, which is some hundred kilobytes.
PATIENCE_SECONDS = 60.0
# Where gunicorn lends the client's connection.
CONNECTION = "gunicorn.socket"
RESET, IN_ORDER = (struct.pack("ii", is_on, 0) for is_on in (1, 0))

Only = tuple[str, ...] | None


class BrokenOff(Exception):
    """The rest of an answer that cannot be given. Why is in the log."""


@dataclass(frozen=True, slots=True)
class Form:
    """How records are written: what comes before them, and then some at a time."""

    content_type: str
    head: bytes
    some: Callable[[Sequence[Any]], bytes]


def as_csv(schema: type[Schema], only: Only = None) -> Form:
    """A line of names, and one for each record."""
    line = csv.liner(schema, only)
    head = csv.written([[part.key for part in parts_of(schema, only)]])
    return Form(csv.CONTENT_TYPE, head, lambda some: csv.written(map(line, some)))


def as_jsonl(schema: type[Schema], only: Only = None) -> Form:
    """A line for each record, just as a list shows it."""
    show = shower(schema, only)
    return Form(
        "application/x-ndjson",
        b"",
        lambda some: b"".join(json(show(record)) + b"\n" for record in some),
    )


FORMS: Mapping[str, Callable[..., Form]] = {"csv": as_csv, "jsonl": as_jsonl}
MEDIA_TYPES = {"text/csv": "csv", "application/x-ndjson": "jsonl"}


def download(asked: Request, export: Export, schema: type[Schema], only: Only) -> Response:
    """The export as a file to save. Raises whatever its opening does; HEAD opens nothing."""
    kind = _kind(asked)
    form = FORMS[kind](schema, only)
    body = iter(()) if asked.method == "HEAD" else Stream(export, form, asked)
    response = Response(body, content_type=form.content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="{export.name}.{kind}"'
    return response


def _kind(asked: Request) -> str:
    if named := asked.args.get("format"):
        return named
    best = asked.accept_mimetypes.best_match(tuple(MEDIA_TYPES))
    return MEDIA_TYPES[best or "text/csv"]


class Stream:
    """An answer's body, chunk by chunk.

    Its export is opened, and the first chunk made, before anything is answered, so that a refusal
    can be. It is closed at its end, when it breaks off, and by the server whose client is gone,
    also before it has begun.
    """

    def __init__(self, export: Export, form: Form, asked: Request) -> None:
        self._form = form
        self._client: socket.socket | None = asked.environ.get(CONNECTION)
        self._request_id: str = g.request_id
        with ExitStack() as stack:
            self._batches = stack.enter_context(export.opened())
            self._first = form.head + form.some(next(self._batches, ()))
            self._opened = stack.pop_all()

    def __iter__(self) -> Iterator[bytes]:
        with self._opened, self._reset_unless_whole():
            yield self._first
            for some in self._batches:
                yield self._form.some(some)

    def close(self) -> None:
        self._opened.close()

    @contextmanager
    def _reset_unless_whole(self) -> Iterator[None]:
        """Have the connection reset, whoever closes it, unless the block comes to its end.

        Without chunks, as in HTTP/1.0, one that is closed in order would be the end of the answer.
        The system keeps to it for a process that is killed, too.
        """
        if self._client:
            self._client.settimeout(PATIENCE_SECONDS)
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        try:
            yield
        except GeneratorExit:
            self._stop_listening()
            raise
        except Exception:
            log.exception("an export broke off", extra={"request_id": self._request_id})
            if self._client:
                self._client.close()
            raise BrokenOff from None
        if self._client:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, IN_ORDER)

    def _stop_listening(self) -> None:
        """Let the server not wait, with all others, for a word of a client who reads no more."""
        if self._client:
            with suppress(OSError):
                self._client.shutdown(socket.SHUT_RD)
