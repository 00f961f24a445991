"""Working on imports, part by part and chunk by chunk, from one checkpoint to the next.

Any number of processes may be told to, once or several times. Whoever claims a part of an import
has it while they renew their lease; when that is over, another takes the part up where the last
chunk ended.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, ScalarSelect, func, or_, select, update

from app.db import db, transaction
from app.errors import Contended, DatabaseBusy, ExternalIdTaken, Unavailable
from app.models import CustomerImport, ImportPart, ImportStatus
from app.models.customer_import import UNDER_WAY
from app.services import search
from app.services.imports.chunks import APART, Claim, chunk_done, finish

# Longer than PostgreSQL may take for a statement; a worker that died holds up its part for so long.
LEASE = timedelta(seconds=20)
MOST_FAILURES = 5
RUNS = 5
log = logging.getLogger(__name__)


def carry_on(import_id: UUID, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Work on the import until nothing of it is left to claim, or until the next checkpoint.

    What goes wrong is raised, and counted: an import that fails again and again is given up.
    """
    has_worked = False
    while not should_stop() and (claim := _claimed(import_id)) is not None:
        _work(claim, should_stop)
        has_worked = True
    if has_worked and not should_stop():
        search.fold_all()  # what else would be folded portion by portion, for minutes


def unattended() -> list[UUID]:
    """The imports of which a part waits, or has a worker who was not heard of for LEASE.

    Each as often as it has such parts, for as many workers.
    """
    waiting = select(ImportPart.import_id).join(CustomerImport).where(*_free())
    return [*db.session.scalars(waiting.order_by(CustomerImport.created_at))]


def longest_wait() -> ScalarSelect[float]:
    """How many seconds some part has waited by now; 0 where none waits.

    Since its import was accepted or last begun, or since whoever had it was last heard of.
    """
    since = func.min(func.greatest(ImportPart.leased_until, CustomerImport.updated_at))
    seconds = func.extract("epoch", func.clock_timestamp() - since)
    waiting = select(func.coalesce(seconds, 0)).select_from(ImportPart).join(CustomerImport)
    return waiting.where(*_free()).scalar_subquery()


def _free() -> tuple[ColumnElement[bool], ...]:
    return (
        CustomerImport.status.in_(UNDER_WAY),
        ImportPart.next_chunk < CustomerImport.chunks,
        or_(ImportPart.leased_until.is_(None), ImportPart.leased_until < func.clock_timestamp()),
    )


def _claimed(import_id: UUID) -> Claim | None:
    """A part of the import for oneself; None where there is none to be had."""
    lease = uuid4()
    free = (
        select(ImportPart)
        .join(CustomerImport)
        .where(ImportPart.import_id == import_id, *_free())
        .order_by(ImportPart.part)
        .limit(1)
        .with_for_update(of=ImportPart, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    with transaction():
        part = db.session.scalar(free)
        if part is None:
            return None
        _hold(part.part, import_id, lease)
        _begin(import_id)
    return Claim(import_id, part.part, lease, LEASE)


def _hold(part: int, import_id: UUID, lease: UUID) -> None:
    db.session.execute(
        update(ImportPart)
        .where(ImportPart.import_id == import_id, ImportPart.part == part)
        .values(lease=lease, leased_until=func.clock_timestamp() + LEASE),
        execution_options=APART,
    )


def _begin(import_id: UUID) -> None:
    db.session.execute(
        update(CustomerImport)
        .where(CustomerImport.id == import_id, CustomerImport.status == ImportStatus.QUEUED)
        .values(status=ImportStatus.RUNNING, started_at=func.clock_timestamp()),
        execution_options=APART,
    )


def _work(claim: Claim, should_stop: Callable[[], bool]) -> None:
    try:
        while _patiently(claim) and not should_stop():
            pass
    except Unavailable:  # which says nothing of the import
        raise
    except Exception:
        log.exception("an import failed", extra={"import_id": str(claim.import_id)})
        _note_failure(claim)
        raise
    _let_go(claim)


def _patiently(claim: Claim) -> bool:
    """Whether a chunk is done and more are left; what others are at is waited for."""
    for _ in range(RUNS - 1):
        try:
            return chunk_done(claim)
        except (Contended, DatabaseBusy, ExternalIdTaken):
            continue
    return chunk_done(claim)


def _let_go(claim: Claim, failures: int = 0) -> None:
    """Give the part back at once, where it is not finished or taken by another."""
    with transaction():
        _release(claim, failures)


def _release(claim: Claim, failures: int) -> int | None:
    """How often the part has failed by now; None where it is another's."""
    released: int | None = db.session.scalar(
        update(ImportPart)
        .where(claim.is_held())
        .values(lease=None, leased_until=None, failures=ImportPart.failures + failures)
        .returning(ImportPart.failures),
        execution_options=APART,
    )
    return released


def _note_failure(claim: Claim) -> None:
    with transaction():
        failures = _release(claim, 1)
        if failures is not None and failures >= MOST_FAILURES:
            finish(claim.import_id, ImportStatus.FAILED)
