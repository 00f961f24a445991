"""A file that a client sends in a form: read as it comes, and never kept here."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from uuid import UUID

from flask import Request
from werkzeug.datastructures import MultiDict
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
# What a form has beside its file: boundaries, the names of its parts, and the fields before it.
FRAME_AT_MOST = 64 * 1024
PARTS_AT_MOST = 10
PART = "file"


class Staged(Protocol):
    """A file that is there in whole, and not accepted yet."""

    @property
    def id(self) -> UUID: ...
    @property
    def filename(self) -> str: ...
    @property
    def digest(self) -> str: ...


class Incoming:
    """A form as it comes: its fields, as far as they stand before its file, and then the file."""

    def __init__(self, request: Request) -> None:
        self._events = _events(request)
        self._ahead: Event | None = None

    @cached_property
    def fields(self) -> MultiDict[str, str]:
        """What stands before the file, of which nothing is read for it.

        Raises Malformed, UnsupportedMediaType, RequestEntityTooLarge.
        """
        found: MultiDict[str, str] = MultiDict()
        name, value, size = "", bytearray(), 0
        for event in self._events:
            match event:
                case Field():
                    name, value = _name(event), bytearray()
                case Data(data=data, more_data=has_more):
                    value += data
                    size += len(data)
                    if size > FRAME_AT_MOST:
                        raise RequestEntityTooLarge
                    if not has_more:
                        found.add(name, value.decode(errors="replace"))
                case _:
                    self._ahead = event
                    break
        return found

    def file(self) -> tuple[str, Iterator[bytes]]:
        """The name of the file, and its bytes. Raises Malformed, UnsupportedMediaType, Invalid.

        So does reading the bytes, and RequestEntityTooLarge.
        """
        event = self._ahead or next(self._events)
        if isinstance(event, Field):
            raise _unwelcome(event)
        if not isinstance(event, File):
            raise Invalid({PART: ["Missing data for required field."]})
        if event.name != PART:
            raise _unwelcome(event)
        return event.filename, _pieces(self._events)


@dataclass(frozen=True, slots=True)
class Upload:
    """How a route takes in a file: `stage` for whoever sends it, `forget` what was not accepted."""

    stage: Callable[[Actor, str, Iterable[bytes]], Staged]
    forget: Callable[[UUID], object]

    @contextmanager
    def taken_in(self, form: Incoming, actor: Actor) -> Iterator[Staged]:
        """The file, staged for as long as it is not accepted.

        Raises Malformed, Invalid, UnsupportedMediaType, RequestEntityTooLarge, StaffOnly.
        """
        actor.must_be_staff()
        staged = self.stage(actor, *form.file())
        try:
            yield staged
        finally:
            self.forget(staged.id)


def fingerprint(staged: Staged) -> dict[str, Any]:
    """What tells the request from another with the same key, in place of a body."""
    return {"filename": staged.filename, "sha256": staged.digest}


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
            case Field() | File():
                raise _unwelcome(event)


def _events(request: Request) -> Iterator[Event]:
    """The parts of the form as they come. Raises Malformed, RequestEntityTooLarge."""
    decoder = MultipartDecoder(_boundary(request), max_parts=PARTS_AT_MOST)
    request.max_content_length = config.current().max_import_bytes + FRAME_AT_MOST
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                if len(decoder.buffer) > FRAME_AT_MOST:
                    raise Malformed("The form's parts cannot be told apart.")
                decoder.receive_data(request.stream.read(READ_AT_ONCE) or None)
            elif isinstance(event, Field | File | Data | Epilogue):
                yield event
    except ValueError as error:
        raise Malformed(f"The body is no form: {error}") from None


def _unwelcome(part: File | Field) -> Invalid:
    if part.name != PART:
        return Invalid({_name(part): ["Unknown field."]})
    return Invalid(
        {PART: ["Must be a file." if isinstance(part, Field) else "Must be given once."]}
    )


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
