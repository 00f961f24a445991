"""What Celery's workers do: thin calls of services. Each may be done twice, at once, or late."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from time import perf_counter
from uuid import UUID

from celery import Celery, current_task
from flask import Flask, current_app, g
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import queue
from app.errors import Unavailable
from app.queue import broker
from app.services import expiry, jobs, notices, search, tallies
from app.services.jobs import Outcome
from app.tasks import processes
from app.tasks.processes import Ending

log = logging.getLogger(__name__)


def import_customers(import_id: str) -> None:
    """Go on with an import until it is done, or the worker is told to end."""
    queue.current().imports.carry_on(UUID(import_id), _ending().has_begun)


def requeue_stale_imports() -> None:
    """Hand over again what nobody attends: its message was lost, or whoever had it died."""
    waiting = queue.current()
    for import_id in waiting.imports.unattended():
        broker.send(waiting.celery, import_id)


def forget_expired() -> None:
    """Delete what has had its time."""
    expiry.forget_expired()


def send_notices() -> None:
    """Mail the admins what is due about flagged loans."""
    notices.deliver(_ending().has_begun)


def fold_tallies() -> None:
    """Fold what was written into the tallies, which nobody does while no process serves."""
    search.fold_all()
    tallies.fold()


TASKS = (import_customers, requeue_stale_imports, forget_expired, send_notices, fold_tallies)
# Seconds between two times; the first is beat's start, however often it is started.
SCHEDULE = {
    requeue_stale_imports: 30.0,
    send_notices: 60.0,
    fold_tallies: 60.0,
    forget_expired: 3_600.0,
}
NEVER = datetime.fromtimestamp(0, UTC)


def make_celery(app: Flask) -> Celery:
    """Celery as workers and beat run it, with each task in a context of `app`."""
    ending = app.extensions["ending"] = Ending()
    celery: Celery = app.extensions["queue"].celery
    for do in TASKS:
        celery.task(name=do.__name__, shared=False)(_told(app, do))
    celery.conf.update(processes.CONFIG)
    celery.conf.beat_schedule = {
        do.__name__: {
            "task": do.__name__,
            "schedule": seconds,
            "last_run_at": NEVER,
            "options": {"expires": broker.EXPIRE_SECONDS},
        }
        for do, seconds in SCHEDULE.items()
    }
    processes.follow(app, ending)
    return celery


def _told(app: Flask, do: Callable[..., None]) -> Callable[..., None]:
    """The task in the app's context; what comes of it is written down, and a line in the log.

    A failure ends there: nobody waits for an outcome, and what is left undone is swept up, or is
    due again soon.
    """

    @wraps(do)
    def run(*words: str) -> None:
        told = {"task": do.__name__, **({"of": words} if words else {})}
        began_at = perf_counter()

        def came_to(outcome: Outcome) -> dict[str, object]:
            ms = round((perf_counter() - began_at) * 1000, 1)
            return {**told, "outcome": outcome, "ms": ms}

        with app.app_context():
            g.task_id = current_task.request.id
            outcome: Outcome = "done"
            try:
                do(*words)
            except (Unavailable, PoolTimeout, broker.Away) as error:
                outcome = "put off"
                log.warning("task", extra={**came_to(outcome), "cause": str(error)})
            except Exception:
                outcome = "failed"
                log.exception("task", extra=came_to(outcome))
            else:
                log.info("task", extra=came_to(outcome))
            jobs.note(do.__name__, outcome, perf_counter() - began_at)

    return run


def _ending() -> Ending:
    ending: Ending = current_app.extensions["ending"]
    return ending
