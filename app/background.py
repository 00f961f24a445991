"""Work that a process does beside its requests, in a thread of its own."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from flask import Flask

log = logging.getLogger(__name__)


class Background:
    """Does `work` when woken, and from then on every `pause` seconds, in an app context of its own.

    However often it is woken, it rests for `rest` seconds in between. The thread starts when first
    woken, hence in the process that needs it and not in the one it was forked from, and ends with
    it, whatever it is doing. Work that fails is logged and done again.
    """

    def __init__(
        self, app: Flask, work: Callable[[], object], *, pause: float, rest: float = 0
    ) -> None:
        self._app = app
        self._work = work
        self._pause = pause
        self._rest = rest
        self._starting = Lock()
        self._woken = Event()
        self._closed = Event()
        self._thread: Thread | None = None

    def wake(self) -> None:
        """Have the work done soon, without waiting for it; nothing once it is closed."""
        with self._starting:
            if self.is_closed:
                return
            self._woken.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="background", daemon=True)
                self._thread.start()

    @property
    def has_begun(self) -> bool:
        """Whether it was ever woken."""
        return self._thread is not None

    @property
    def is_closed(self) -> bool:
        """Whether work under way should come to an end."""
        return self._closed.is_set()

    def close(self, within: float | None = None) -> None:
        """End the thread, after the work it may be at; it is not started again.

        Work that takes longer than `within` seconds is left to itself.
        """
        with self._starting:
            self._closed.set()
            self._woken.set()
        if self._thread is not None:
            self._thread.join(within)

    def _run(self) -> None:
        while not self.is_closed:
            self._woken.wait(self._pause)
            self._woken.clear()
            if not self.is_closed:
                self._do()
                self._closed.wait(self._rest)

    def _do(self) -> None:
        try:
            with self._app.app_context():
                self._work()
        except Exception:
            log.exception("work in the background failed")
