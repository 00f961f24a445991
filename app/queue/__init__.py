"""Work that is handed over after a commit: to Celery's workers, or to a thread of this process.

What there is to do stands in PostgreSQL, and whoever does it claims it there. So what is handed
over may be lost, or come twice, or late: a sweep hands over again what nobody attends.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.background import Background
from app.cache.server import Trouble
from app.config import Settings
from app.errors import DatabaseAway, DatabaseBusy
from app.queue import broker

if TYPE_CHECKING:
    from celery import Celery

SWEEP_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Imports:
    """What their service does with imports.

    `carry_on` may be called twice, at once, late or in vain. It ends at a checkpoint once its
    second argument says so. `unattended` are those that are neither done nor attended.
    """

    carry_on: Callable[[UUID, Callable[[], bool]], object]
    unattended: Callable[[], Sequence[UUID]]


class Queue:
    """What one process was handed, and the thread that sends it on, or that does it."""

    def __init__(self, app: Flask, settings: Settings) -> None:
        self._settings = settings
        self._handed: deque[UUID] = deque()
        self._trouble = Trouble("the broker is away, and imports wait", "the broker is back")
        work = self._send if settings.use_celery else self._attend
        self._background = Background(app, work, pause=SWEEP_SECONDS)
        self.imports = Imports(carry_on=lambda *_: None, unattended=tuple)

    @cached_property
    def celery(self) -> "Celery":
        """Celery as this process speaks it."""
        return broker.celery(self._settings)

    def hand_over(self, import_id: UUID) -> None:
        self._handed.append(import_id)
        self.wake()

    def wake(self) -> None:
        """See to what was handed over, and from then on to what nobody attends."""
        self._background.wake()

    def close(self, within: float | None = None) -> None:
        """Have work under way end at its next checkpoint, and wait for that."""
        self._background.close(within)

    def _send(self) -> None:
        """What the broker does not take is left to the sweep."""
        while self._handed:
            asked_at = monotonic()
            try:
                broker.send(self.celery, self._handed.popleft())
            except broker.Away as error:
                self._trouble.is_seen(error)
                self._handed.clear()
            else:
                self._trouble.is_not_seen(asked_at)

    def _attend(self) -> None:
        # Of a database that is away requests tell enough.
        with suppress(DatabaseAway, DatabaseBusy, PoolTimeout):
            handed = [self._handed.popleft() for _ in range(len(self._handed))]
            for import_id in dict.fromkeys([*handed, *self.imports.unattended()]):
                self._carry_on(import_id)

    def _carry_on(self, import_id: UUID) -> None:
        """One that fails holds no other up."""
        if self._background.is_closed:
            return
        try:
            self.imports.carry_on(import_id, lambda: self._background.is_closed)
        except (DatabaseAway, DatabaseBusy, PoolTimeout):
            raise
        except Exception:
            log.exception("an import came to a halt", extra={"import": import_id})


def init_app(app: Flask, settings: Settings) -> None:
    app.extensions["queue"] = Queue(app, settings)


def offer(app: Flask, imports: Imports) -> None:
    """Say how imports are gone on with, and which wait for that."""
    queue: Queue = app.extensions["queue"]
    queue.imports = imports


def hand_over(import_id: UUID) -> None:
    """Have somebody go on with an import; for after the commit that made it.

    It neither waits nor fails.
    """
    current().hand_over(import_id)


def current() -> Queue:
    """The queue of the application at work."""
    queue: Queue = current_app.extensions["queue"]
    return queue
