"""How what is done beside requests is doing, kept in PostgreSQL, so that any process may tell.

Workers come and go and are forked; what they counted in their own memory nobody could ask for.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.db import db, transaction
from app.errors import DatabaseAway, DatabaseBusy
from app.models import CustomerImport, ImportPart, ImportStatus, TaskRun
from app.services import imports, notices

Outcome = Literal["done", "put off", "failed"]
# Whose runs are told, also while there are none: a rate needs a beginning.
TASKS = (
    "import_customers",
    "requeue_stale_imports",
    "forget_expired",
    "send_notices",
    "fold_tallies",
)


@dataclass(frozen=True, slots=True)
class Jobs:
    """How all of them stand at one moment.

    `tasks` has a row for each task and outcome; of `work`, ages are in seconds and 0 where nothing
    waits.
    """

    tasks: Sequence[Any]
    work: Any


def note(task: str, outcome: Outcome, seconds: float) -> None:
    """Write down what came of a task. Where the database is away, nobody will know."""
    row = insert(TaskRun).values(
        task=task, outcome=outcome, runs=1, seconds=seconds, last_at=func.clock_timestamp()
    )
    added = row.on_conflict_do_update(
        index_elements=[TaskRun.task, TaskRun.outcome],
        set_={
            "runs": TaskRun.runs + 1,
            "seconds": TaskRun.seconds + seconds,
            "last_at": func.clock_timestamp(),
        },
    )
    with suppress(DatabaseAway, DatabaseBusy, PoolTimeout), transaction():
        db.session.execute(added)


def state() -> Jobs:
    """How they stand now. Raises DatabaseAway, DatabaseBusy."""
    tasks = select(*TaskRun.__table__.columns)
    return Jobs(db.session.execute(tasks).all(), db.session.execute(_WORK).one())


def _lines(figure: Any) -> ScalarSelect[Any]:
    return select(func.coalesce(func.sum(figure), 0)).scalar_subquery()


def _imports(status: ImportStatus) -> ScalarSelect[Any]:
    number = select(func.count()).select_from(CustomerImport)
    return number.where(CustomerImport.status == status).scalar_subquery()


_WORK = select(
    _lines(ImportPart.created).label("lines_created"),
    _lines(ImportPart.rejected).label("lines_rejected"),
    _imports(ImportStatus.QUEUED).label("imports_queued"),
    _imports(ImportStatus.RUNNING).label("imports_running"),
    imports.longest_wait().label("import_waits"),
    notices.number_waiting().label("notices_waiting"),
    notices.longest_wait().label("notice_waits"),
    notices.number_given_up().label("notices_given_up"),
)
