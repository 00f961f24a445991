"""How gunicorn serves the app, on a laptop and in the image; the environment overrides each."""

import gc
import json
import logging
import mmap
import os
import shutil
import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from fair_worker import FairWorker

if TYPE_CHECKING:
    from app.background import Background
    from app.queue import Queue

# For how long a service that was told to end says so by /ping, before it turns anybody away.
NOTICE_SECONDS = int(os.environ.get("GUNICORN_NOTICE_SECONDS", "0"))

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"

# Two processes, so that one stuck in Python code does not silence the service; threads, because
# requests mostly wait for the database. A process needs at most `threads` connections there, and
# two more for what it sends, and folds, beside its requests.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = os.environ.get("GUNICORN_WORKER_CLASS") or FairWorker
threads = int(os.environ.get("GUNICORN_THREADS", "4"))

# Whose X-Forwarded- headers count is for TRUSTED_PROXIES to say; gunicorn would believe all that
# comes from this machine.
forwarded_allow_ips = ""

# A worker that has not reported for this long is taken for hung and replaced.
timeout = int(os.environ.get("GUNICORN_TIMEOUT", "30"))

# A worker gives way to a new one after so many requests, in case a library keeps something of each;
# not all of them at one time.
max_requests = int(os.environ.get("GUNICORN_MAX_REQUESTS", "1000000"))
max_requests_jitter = int(os.environ.get("GUNICORN_MAX_REQUESTS_JITTER", str(max_requests // 10)))

# On SIGTERM running requests are finished; 25 s, the notice included, leave room within an
# orchestrator's usual 30.
graceful_timeout = int(os.environ.get("GUNICORN_GRACEFUL_TIMEOUT", "25"))

if graceful_timeout <= NOTICE_SECONDS:
    raise ValueError("GUNICORN_NOTICE_SECONDS must be less than GUNICORN_GRACEFUL_TIMEOUT")

# The app writes a line for each request, with its id; a second log would only repeat it.
accesslog = os.environ.get("GUNICORN_ACCESSLOG") or None
errorlog = "-"
loglevel = os.environ.get("GUNICORN_LOGLEVEL", "warning")


class MasterLine(logging.Formatter):
    """What the master has to say, as the app's log says it; the app itself it does not load."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            **({"exception": self.formatException(record.exc_info)} if record.exc_info else {}),
        }
        return json.dumps(told)


class MasterLog(Logger):
    """The master's log, and a worker's until it has loaded the app."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(MasterLine())


logger_class = MasterLog

# Signals do all that is needed; the socket would lie in $HOME and have to be guarded.
control_socket_disable = True

# What a worker that ends waits for a mail under way, and for an import to reach a checkpoint; most
# take less. It counts among the 25 s. What it was folding meanwhile, another worker folds.
LAST_MAIL_SECONDS = LAST_LINES_SECONDS = 5.0
LAST_FOLD_SECONDS = 0.5

# An application makes some thousand; Python would look after every 700.
OBJECTS_BETWEEN_COLLECTIONS = 20_000

METRICS = "PROMETHEUS_MULTIPROC_DIR"
_made_here: list[str] = []


def on_starting(server: Arbiter) -> None:
    """Give the workers one folder to count in, which /metrics sums up: empty, or the dead count.

    The lawful moment, for no worker lives yet and none has imported prometheus_client. The byte by
    which they will know that the whole service ends is the master's, and shared with each.
    """
    server.service_ends = mmap.mmap(-1, 1)
    if METRICS not in os.environ:
        os.environ[METRICS] = tempfile.mkdtemp(prefix="loans-metrics-")
        _made_here.append(os.environ[METRICS])
    folder = Path(os.environ[METRICS])
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob("*.db"):
        left_over.unlink()


def when_ready(server: Arbiter) -> None:
    """Tell apart a service that ends from one whose workers are replaced; both get a SIGTERM.

    Sockets that outlive this master, as gunicorn itself judges it, are not to be closed to anyone.
    """

    def end(signum: int, frame: FrameType | None) -> None:
        if server.reexec_pid == server.master_pid == 0 and not server.systemd:
            server.service_ends[0] = 1
        server.signal(signum, frame)

    signal.signal(signal.SIGTERM, end)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Let a worker that is told to stop before it listens to signals stop.

    It would take the signal for the master's and outlive it until graceful_timeout is over. That
    is counted from the signal on; the worker's own begins after the notice.
    """
    worker.service_ends = server.service_ends
    worker.notice_seconds = NOTICE_SECONDS
    worker.cfg.set("graceful_timeout", max(1, worker.cfg.graceful_timeout - NOTICE_SECONDS))
    for signum in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)


def post_worker_init(worker: Worker) -> None:
    """Have done what a worker that was killed left, without waiting for it.

    What was loaded is there to stay: the collector of garbage need not look at it again, and for
    what requests leave behind it need not come several times in each.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    for name in ("notices", "tallies", "queue"):
        if background := _background(worker, name):
            background.wake()


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    """Let the mail under way be written down as sent, or the next worker sends it again."""
    last = {"queue": LAST_LINES_SECONDS, "tallies": LAST_FOLD_SECONDS, "notices": LAST_MAIL_SECONDS}
    for name, seconds in last.items():
        if background := _background(worker, name):
            background.close(within=seconds)


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Keep what a dead worker counted, and take it out of the gauges that speak of living ones.

    Whatever goes wrong with that, the master lives on.
    """
    try:
        from app.web import buried  # prometheus_client reads the environment set above

        buried.bury(worker.pid, Path(os.environ[METRICS]))
    except Exception:
        server.log.exception("what a dead worker counted was not kept")


def on_exit(_server: Arbiter) -> None:
    """Leave no folder behind that was made here."""
    for folder in _made_here:
        shutil.rmtree(folder, ignore_errors=True)


def _background(worker: Worker, name: str) -> "Background | Queue | None":
    """None for a worker that did not load the app, as its copy in the master never does."""
    app = getattr(worker, "wsgi", None)
    background: Background | Queue | None = getattr(app, "extensions", {}).get(name)
    return background
