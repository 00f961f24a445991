"""A worker, in processes of its own."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from app.local.processes import Child, tail, wait_until
from tests.local.conftest import is_gone
from tests.servers import fresh_folder

ROOT = Path(__file__).parents[2]
PATIENCE = 60
APP = ("--quiet", "-A", "tests.workers.celery_app")
TOLD = ("worker", "--without-gossip", "--without-mingle")


@dataclass(frozen=True)
class Worker:
    """A running worker, and whoever runs with it."""

    child: Child
    log: Path
    family: list[psutil.Process] = field(default_factory=list)

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """What it logged: every line of all that it wrote."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if event in line["event"]]

    def told(self, task: str, outcome: str = "done") -> bool:
        """Whether it came to log that a task had that outcome."""
        told = {"task": task, "outcome": outcome}
        return wait_until(
            lambda: any(told.items() <= line.items() for line in self.lines("task")), PATIENCE
        )

    def ended(self, signum: signal.Signals, within: float = PATIENCE) -> int | None:
        """Its exit code after the signal, None when it takes longer."""
        self.child.send(signum)
        return self.child.wait(within)

    def leaves_nobody(self) -> bool:
        """Whether all its processes go too."""
        return wait_until(lambda: all(map(is_gone, self.family)), PATIENCE)


@contextmanager
def working(
    environ: Mapping[str, str], *flags: str, app: str = "tests.workers.celery_app"
) -> Iterator[Worker]:
    """A worker that is ready, until the block ends, of an app that only pretends or of another.

    Call it from the main thread: its processes end with the thread that started them.
    """
    with fresh_folder() as folder, (folder / "log").open("wb") as output:
        child = Child(
            [sys.executable, "-m", "celery", "--quiet", "-A", app, *TOLD, *flags],
            death_signal=signal.SIGQUIT,
            env={**os.environ, **environ, "LOG_LEVEL": "INFO"},
            cwd=ROOT,
            output=output,
        )
        worker = Worker(child, folder / "log")
        try:
            assert wait_until(lambda: "is ready" in worker.log.read_text(), PATIENCE), tail(
                worker.log
            )
            worker.family.extend(psutil.Process(child.pid).children(recursive=True))
            yield worker
        finally:
            child.end((signal.SIGTERM, PATIENCE), (signal.SIGQUIT, PATIENCE))
            assert worker.leaves_nobody()
