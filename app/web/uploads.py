"""A file that a client sends, as the one part of a form: read as it comes, and never kept here."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from app import config
from app.errors import Invalid, Malformed
from app.services.actor import Actor

READ_AT_ONCE = 64 * 1024
# What a form has beside its file: boundaries, and the names of its parts.
FRAME_AT_MOST = 64 * 1024
PART = "file"


class Staged(Protocol):
    """A file that is there in whole, and not accepted yet."""

    @property
    def id(self) -> UUID: ...
    @property
    def filename(self) -> str: ...
    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """How a route takes in a file: `stage` for whoever sends it, `forget` what was not accepted."""

    stage: Callable[[Actor, str, Iterable[bytes]], Staged]
    forget: Callable[[UUID], object]

    @contextmanager
    def taken_in(self, request: Request, actor: Actor) -> Iterator[Staged]:
        """The file, staged for as long as it is not accepted.

        Raises Malformed, Invalid, UnsupportedMediaType, RequestEntityTooLarge, StaffOnly.
        """
        actor.must_be_staff()
        form = _events(request)
        staged = self.stage(actor, _filename(next(form)), _pieces(form))
        try:
            yield staged
        finally:
            self.forget(staged.id)


def fingerprint(staged: Staged) -> dict[str, Any]:
    """What tells the request from another with the same key, in place of a body."""
    return {"filename": staged.filename, "sha256": staged.digest}


def _filename(event: Event) -> str:
    if not isinstance(event, File):
        raise Invalid({PART: ["Missing data for required field."]})
    if event.name != PART:
        raise Invalid({_name(event): ["Unknown field."]})
    return event.filename


def _pieces(form: Iterator[Event]) -> Iterator[bytes]:
    """The bytes of the file. Raises Invalid when another part follows."""
    size, most = 0, config.current().max_import_bytes
    for event in form:
        match event:
            case Data(data=data):
                size += len(data)
                if size > most:
                    raise RequestEntityTooLarge
                yield data
            case Epilogue():
                return
            case File(name=name):
                reason = "Must be given once." if name == PART else "Unknown field."
                raise Invalid({_name(event): [reason]})


def _events(request: Request) -> Iterator[Event]:
    """The parts of the form as they come; other fields than files are refused."""
    decoder = MultipartDecoder(_boundary(request))
    request.max_content_length = config.current().max_import_bytes + FRAME_AT_MOST
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                if len(decoder.buffer) > FRAME_AT_MOST:
                    raise Malformed("The form's parts cannot be told apart.")
                decoder.receive_data(request.stream.read(READ_AT_ONCE) or None)
            elif isinstance(event, Field):
                reason = "Must be a file." if event.name == PART else "Unknown field."
                raise Invalid({_name(event): [reason]})
            elif isinstance(event, File | Data | Epilogue):
                yield event
    except ValueError as error:
        raise Malformed(f"The body is no form: {error}") from None


def _name(part: File | Field) -> str:
    """The name of a part, which may come without one, whatever Werkzeug says of its type."""
    return part.name or ""


def _boundary(request: Request) -> bytes:
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with the file as its part `file`.")
    if request.content_encoding not in (None, "", "identity"):
        raise UnsupportedMediaType("Send the body without a content encoding.")
    boundary = request.mimetype_params.get("boundary", "")
    if not boundary.isascii() or not boundary:
        raise Malformed("The form names no boundary between its parts.")
    return boundary.encode()
