"""Taking a file in: staged in PostgreSQL as it comes, then accepted as a whole, or forgotten.

Each portion is kept by a transaction of its own, so that a slow sender holds no connection and no
lock; until the file is accepted nobody sees any of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import count
from uuid import UUID

from sqlalchemy import delete, func, update
from uuid_utils.compat import uuid7

from app import queue
from app.db import after_commit, append, copy_in, db, transaction
from app.errors import ImportAbandoned, Invalid
from app.models import CustomerImport, ImportPart, ImportStatus
from app.services import audit
from app.services.actor import Actor
from app.services.imports.chunks import APART
from app.services.imports.cutting import Chunk, cut
from app.services.imports.statements import PARTS

COPY = "COPY customer_import_chunks (import_id, number, first_line, text) FROM STDIN"
# Characters kept by one transaction.
PORTION = 1_000_000
ABANDONED = timedelta(hours=1)
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that was taken in whole; `digest` is of its bytes."""

    id: UUID
    filename: str
    digest: str
    chunks: int
    total_lines: int


def stage(actor: Actor, filename: str, pieces: Iterable[bytes]) -> Staged:
    """Take in the bytes of a file, as they come. Staff only.

    Raises Invalid for what is no text in UTF-8, or holds no line, and ImportAbandoned. Then nothing
    is kept, nor where `pieces` raises; what a process that dies here leaves is forgotten later.
    """
    actor.must_be_staff()
    import_id, name = uuid7(), _plain(filename)
    with transaction():
        db.session.add(
            CustomerImport(id=import_id, created_by=actor.id, filename=name, is_dry_run=False)
        )
    digest = sha256()
    number = total = 0
    try:
        for portion in _portions(cut(_noted(pieces, digest.update))):
            rows = zip(count(number), portion, strict=False)
            _keep(import_id, [(at, chunk) for at, chunk in rows])
            number += len(portion)
            total += sum(chunk.number_of_lines for chunk in portion)
        if not total:
            raise Invalid({"file": ["Must hold at least one line."]})
    except BaseException:
        forget(import_id)
        raise
    return Staged(import_id, name, digest.hexdigest(), number, total)


def accept(actor: Actor, staged: Staged, *, is_dry_run: bool = False) -> CustomerImport:
    """Have a staged file worked on, soon; a dry run reports the same and creates nobody.

    Raises ImportAbandoned where it has been forgotten meanwhile.
    """
    with transaction():
        record = db.session.get(CustomerImport, staged.id, populate_existing=True)
        if record is None:
            raise ImportAbandoned
        record.status = ImportStatus.QUEUED
        record.is_dry_run = is_dry_run
        record.total_lines, record.chunks = staged.total_lines, staged.chunks
        append(*(ImportPart(import_id=record.id, part=part) for part in range(PARTS)))
        audit.record(
            actor, "import.accepted", record, lines=staged.total_lines, is_dry_run=is_dry_run
        )
        for _ in range(PARTS):  # to one worker each
            after_commit(lambda: queue.hand_over(record.id))
    return record


def forget(import_id: UUID) -> None:
    """Delete a file that was not accepted; one that was stays."""
    with transaction():
        db.session.execute(
            delete(CustomerImport).where(
                CustomerImport.id == import_id, CustomerImport.status == ImportStatus.UPLOADING
            ),
            execution_options=APART,
        )


def forget_abandoned() -> int:
    """Delete the files whose sender, or whose process, was not heard of for ABANDONED; how many."""
    silent = CustomerImport.updated_at < func.now() - ABANDONED
    with transaction():
        gone = db.session.scalars(
            delete(CustomerImport)
            .where(CustomerImport.status == ImportStatus.UPLOADING, silent)
            .returning(CustomerImport.id),
            execution_options=APART,
        )
        return len(gone.all())


def _noted(pieces: Iterable[bytes], note: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        note(piece)
        yield piece


def _portions(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """As many at a time as have about PORTION characters."""
    portion: list[Chunk] = []
    size = 0
    for chunk in chunks:
        portion.append(chunk)
        size += len(chunk.text)
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _keep(import_id: UUID, numbered: list[tuple[int, Chunk]]) -> None:
    with transaction():
        there = db.session.scalar(
            update(CustomerImport)
            .where(CustomerImport.id == import_id)
            .values(updated_at=func.now())
            .returning(CustomerImport.id),
            execution_options=APART,
        )
        if there is None:
            raise ImportAbandoned
        rows = ((import_id, at, chunk.first_line, chunk.text) for at, chunk in numbered)
        copy_in(COPY, rows)


def _plain(filename: str) -> str:
    """A name without the folders of whoever sent it, and without what cannot be shown."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in name if letter.isprintable()).strip()
    return shown[-LONGEST_NAME:] or "file"
