"""Files of customers, and what comes of them: made, worked on and looked at past HTTP."""

import gzip
import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from flask import Flask

from app.db import db
from app.errors import ExternalIdTaken
from app.models import Role
from app.services import imports
from app.services.actor import Actor
from tests.credentials import execute
from tests.factories import Caller

BOM = b"\xef\xbb\xbf"
TAKEN = f"external_id: {ExternalIdTaken().detail}"
CUSTOMERS = """
SELECT external_id, credit_limit, preapproved_at FROM customers ORDER BY external_id COLLATE "C"
"""
REFUSED = """
SELECT line, value, reason FROM customer_import_errors WHERE import_id = %s ORDER BY line
"""
# As if LEASE had passed since each lease was last renewed.
MUCH_LATER = """
UPDATE customer_import_parts SET leased_until = leased_until - interval '1 hour'
WHERE leased_until IS NOT NULL
"""


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("customers.csv", content)
    return packed.getvalue()


_LINES = "crm-1,100.00\ncrm-2,200.00\n"
# What is no text in UTF-8, and refused whole.
NO_TEXT = {
    "UTF-16 with its mark": _LINES.encode("utf-16"),
    "UTF-16, little end first": _LINES.encode("utf-16-le"),
    "UTF-16, big end first": _LINES.encode("utf-16-be"),
    "UTF-16 without a letter of ASCII": "é,é\n日本\n".encode("utf-16"),
    "UTF-32": _LINES.encode("utf-32"),
    "Latin-1": f"{_LINES}Müller,300.00\n".encode("latin-1"),
    "Windows-1252": f"{_LINES}€,300.00\n".encode("cp1252"),
    "a surrogate": _LINES.encode() + b"\xed\xa0\x80,300.00\n",
    "an overlong letter": _LINES.encode() + b"\xc0\x80,300.00\n",
    "half a letter at the end": _LINES.encode() + "é".encode()[:1],
    "NUL": f"{_LINES}crm\0,300.00\n".encode(),
    "a ZIP": _zipped(_LINES.encode()),
    "a bomb in a ZIP": _zipped(b"0" * 10_000_000),
    "gzip": gzip.compress(_LINES.encode()),
    "an image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


class Outcome(NamedTuple):
    """What has come of an import, and the lines that were refused: number, value and reason."""

    status: str
    total_lines: int
    processed: int
    created: int
    rejected: int
    refused: list[tuple[int, str, str]]


def sender(caller: Caller) -> Actor:
    """Who calls, as the services know them."""
    assert caller.user is not None
    return Actor(id=caller.user.id, role=caller.user.role, kind="user")


def accepted(
    app: Flask, caller: Caller, content: str | bytes | Iterable[bytes], *, is_dry_run: bool = False
) -> UUID:
    """The import of a file, on which nobody works yet."""
    if isinstance(content, str):
        content = content.encode()
    pieces = [content] if isinstance(content, bytes) else content
    with app.app_context():
        staged = imports.stage(sender(caller), "customers.csv", pieces)
        return imports.accept(sender(caller), staged, is_dry_run=is_dry_run).id


def carry_on(app: Flask, import_id: UUID, **how: Any) -> None:
    """Be a worker, with a connection of one's own."""
    with app.app_context():
        imports.carry_on(import_id, **how)


def outcome(app: Flask, import_id: UUID) -> Outcome:
    with app.app_context():
        found = imports.find(Actor(id=UUID(int=0), role=Role.ADMIN), import_id)
        figures = (found.total_lines, found.processed, found.created, found.rejected)
        with db.engine.connect() as connection:
            rows = connection.exec_driver_sql(REFUSED, (import_id,))
            return Outcome(str(found.status), *figures, [tuple(row) for row in rows])


def customers(app: Flask) -> list[Any]:
    """All there are, with what a line can say of each."""
    with app.app_context(), db.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(CUSTOMERS)]


def names(prefix: str, number: int) -> list[str]:
    return [f"{prefix}-{at}" for at in range(number)]


def lines(external_ids: Sequence[str], credit_limit: str = "100.00") -> str:
    """A file with a line for each."""
    return "".join(f"{external_id},{credit_limit}\n" for external_id in external_ids)


def lease_ran_out(app: Flask) -> None:
    """Have all who work on imports be taken for dead."""
    execute(app, MUCH_LATER)
