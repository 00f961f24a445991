"""The processes of a worker and of beat: how many, what they are forked with, how they end."""

import gc
import logging
import os
import signal
import sys
from mmap import mmap
from pathlib import Path

from celery import signals
from celery.platforms import set_pdeathsig  # type: ignore[attr-defined]
from flask import Flask

from app import config, engines

log = logging.getLogger(__name__)

CONFIG = {
    # Reading an import is Python's work, so each has a process: two may go on at once, one that is
    # killed or grows takes no other along, and what they took they give back in the end.
    # A Mac has trouble with forks of what has begun to work; a laptop's imports can share one.
    "worker_pool": "threads" if sys.platform == "darwin" else "prefork",
    "worker_concurrency": 2,
    "worker_max_tasks_per_child": 500,
    "worker_max_memory_per_child": 256 * 1024,  # KiB
    # One that is at work has no other message waiting with it, which an idle one could take.
    "worker_prefetch_multiplier": 1,
    "worker_proc_alive_timeout": 30.0,
    # Commands would come through Redis, from whoever can write there.
    "worker_enable_remote_control": False,
    # The log is the service's own.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # In memory: a restart has nothing to remember, for all is due at the start.
    "beat_scheduler": "celery.beat:Scheduler",
}


class Ending:
    """Whether a worker was told to end, which the processes that it forked see as well."""

    def __init__(self) -> None:
        self._told = mmap(-1, 1)

    def begin(self, **_: object) -> None:
        """From the handler of a signal: it takes no lock."""
        self._told[0] = 1

    def has_begun(self) -> bool:
        return bool(self._told[0])


def follow(app: Flask, ending: Ending) -> None:
    """Have what Celery's processes go through followed by what the service needs then."""

    def start_afresh(**_: object) -> None:
        with app.app_context():
            engines.disown()

    def send_traces(**_: object) -> None:
        if traces := app.extensions.get("traces"):
            traces.force_flush()

    # Python's warnings are for the tests, which fail on them; Celery has one for whoever is root.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(logging.NullHandler())
    signals.setup_logging.connect(_leave_the_log, weak=False)
    signals.worker_init.connect(_leave_what_is_loaded, weak=False)
    signals.worker_process_init.connect(start_afresh, weak=False)
    signals.worker_process_shutdown.connect(send_traces, weak=False)
    signals.worker_shutting_down.connect(ending.begin, weak=False)
    signals.beat_embedded_init.connect(_end_with_the_worker, weak=False)
    signals.worker_ready.connect(_tell_of_the_start, weak=False)
    signals.worker_shutdown.connect(_tell_of_the_end, weak=False)
    _show_life(app.extensions["settings"])


def _show_life(settings: config.Settings) -> None:
    """By touching a file: a worker with each heartbeat, beat with each task that it hands out."""

    def live(**_: object) -> None:
        if settings.celery_pulse_file:
            Path(settings.celery_pulse_file).touch()

    def follow_beat(**_: object) -> None:
        signals.after_task_publish.connect(live, weak=False)

    signals.heartbeat_sent.connect(live, weak=False)
    signals.beat_init.connect(follow_beat, weak=False)


def _leave_the_log(**_: object) -> None:
    """As the app made it, for Celery makes none where someone answers; and print nothing beside."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)


def _leave_what_is_loaded(**_: object) -> None:
    """The collector of garbage would write to it; forked processes share what nobody writes to."""
    gc.collect()
    gc.freeze()


def _end_with_the_worker(**_: object) -> None:
    """Beat in a process of the worker's would else outlive one that is killed."""
    set_pdeathsig(signal.SIGKILL)


def _tell_of_the_start(**_: object) -> None:
    log.info("the worker is ready")


def _tell_of_the_end(**_: object) -> None:
    log.info("the worker has ended")
