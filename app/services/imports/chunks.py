"""One chunk of an import, with its checkpoint, in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import ColumnElement, and_, delete, func, select, update
from uuid_utils.compat import uuid7

from app.db import db, transaction
from app.driver import send
from app.errors import ExternalIdTaken
from app.models import CustomerImport, ImportChunk, ImportedName, ImportPart, ImportStatus, Role
from app.models.customer_import import UNDER_WAY
from app.services import audit, search
from app.services.actor import Actor
from app.services.imports.cutting import HEADER, LONGEST_LINE, SEPARATOR, TOO_LONG, UNCLOSED
from app.services.imports.statements import CREATE, DOUBTFUL, TRY, VALUE_AT_MOST

# The session knows none of what is changed.
APART = {"synchronize_session": False}
LEAST_FIELDS = 2
# Of the ids of a chunk: for PostgreSQL to ask for randomness takes as long as to insert a row.
DIGITS_COUNTED = 8
MISCOUNTED = "Must have two fields or three: external_id, credit_limit, preapproved_at."
MARKED = {
    TOO_LONG: f"Must have at most {LONGEST_LINE:,} characters.",
    UNCLOSED: "Must close its quotes, as CSV has it.",
}


# The external id, the credit limit, and when the customer was preapproved.
Line = tuple[str, Decimal, datetime | None]
# What the fields of a line say; or why they are refused, in the words of the API.
Judge = Callable[[Mapping[str, str]], Line | str]


class Claim(NamedTuple):
    """A part of an import, the token by which it is one's own, and how long that lasts."""

    import_id: UUID
    part: int
    lease: UUID
    lasting: timedelta

    def is_held(self) -> ColumnElement[bool]:
        """The condition that nobody has taken it meanwhile."""
        return and_(
            ImportPart.import_id == self.import_id,
            ImportPart.part == self.part,
            ImportPart.lease == self.lease,
        )


def init_app(app: Flask, judge: Judge) -> None:
    """Have the lines that PostgreSQL doubts judged by `judge`."""
    app.extensions["import-judge"] = judge


def chunk_done(claim: Claim) -> bool:
    """Work on the next chunk of the part; whether there are more. False if it was taken, too.

    Raises ExternalIdTaken where one of its customers was deleted at the same moment.
    """
    with transaction():
        found = _held(claim)
        if found is None or found.next_chunk >= found.chunks:
            return False
        search.hold_up_folding()
        connection = db.session().connection().connection
        asked = {"import_id": claim.import_id, "part": claim.part, "chunk": found.next_chunk}
        doubtful = send(connection, DOUBTFUL, asked).fetchall()
        values = {
            **asked,
            **_judged(doubtful),
            "created_by": found.created_by,
            "ids": str(uuid7())[:-DIGITS_COUNTED],
            "taken": f"external_id: {ExternalIdTaken().detail}",
            "lasting": claim.lasting,
        }
        send(connection, TRY if found.is_dry_run else CREATE, values)
        is_last = found.next_chunk + 1 == found.chunks
        if is_last:
            _finish_with_the_last(claim.import_id)
    return not is_last


def finish(import_id: UUID, status: ImportStatus) -> None:
    """Close the import, and delete what was kept to work on. Part of the transaction at work."""
    closed = db.session.execute(
        update(CustomerImport)
        .where(CustomerImport.id == import_id, CustomerImport.status.in_(UNDER_WAY))
        .values(status=status, finished_at=func.clock_timestamp(), updated_at=func.now())
        .returning(CustomerImport),
        execution_options={"populate_existing": True},
    ).scalar_one_or_none()
    if closed is None:
        return
    for kept in (ImportChunk, ImportedName):
        db.session.execute(delete(kept).where(kept.import_id == import_id), execution_options=APART)
    # On behalf of whoever sent it: nobody else is there.
    sender = Actor(id=closed.created_by, role=Role.OFFICER, kind="worker")
    figures = {name: getattr(closed, name) for name in ("processed", "created", "rejected")}
    audit.record(sender, f"import.{status.lower()}", closed, **figures)


def _held(claim: Claim) -> Any:
    """The part and its import, locked; None where another has it."""
    return db.session.execute(
        select(
            ImportPart.next_chunk,
            CustomerImport.chunks,
            CustomerImport.is_dry_run,
            CustomerImport.created_by,
        )
        .join(CustomerImport)
        .where(claim.is_held(), CustomerImport.status.in_(UNDER_WAY))
        .with_for_update(of=ImportPart)
    ).one_or_none()


def _finish_with_the_last(import_id: UUID) -> None:
    """The part that ends last closes the import: of two, one waits here, and finds the other's."""
    is_held = select(CustomerImport.chunks).where(CustomerImport.id == import_id)
    chunks = db.session.scalar(is_held.with_for_update(key_share=True))
    left = select(ImportPart.part).where(
        ImportPart.import_id == import_id, ImportPart.next_chunk < chunks
    )
    if db.session.scalar(left.limit(1)) is None:
        finish(import_id, ImportStatus.COMPLETED)


def _judged(doubtful: Sequence[tuple[int, str]]) -> dict[str, list[Any]]:
    """The parameters that say which of the lines are good, and what is wrong with the others."""
    good: list[tuple[Any, ...]] = []
    bad: list[tuple[Any, ...]] = []
    for number, text in doubtful:
        verdict = _verdict(text)
        if isinstance(verdict, str):
            value = text.lstrip("".join(MARKED)).replace(SEPARATOR, ",")[:VALUE_AT_MOST]
            bad.append((number, value, verdict))
        else:
            good.append((number, text, *verdict))
    names = ("good", "texts", "external_ids", "credit_limits", "preapproved")
    return {
        **dict(zip(names, _columns(good, len(names)), strict=True)),
        **dict(zip(("bad", "values", "reasons"), _columns(bad, 3), strict=True)),
    }


def _columns(rows: Sequence[tuple[Any, ...]], number: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(number)]


def _verdict(text: str) -> Line | str:
    if reason := MARKED.get(text[:1]):
        return reason
    fields = text.split(SEPARATOR)
    if not LEAST_FIELDS <= len(fields) <= len(HEADER):
        return MISCOUNTED
    judge: Judge = current_app.extensions["import-judge"]
    return judge(dict(zip(HEADER, fields, strict=False)))
