"""How gunicorn serves the app, on a laptop and in the image; the environment overrides each."""

import os
import shutil
import tempfile
from pathlib import Path

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"

# Two processes, so that one stuck in Python code does not silence the service; threads, because
# requests mostly wait for the database. A process needs at most `threads` connections there.
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = os.environ.get("GUNICORN_WORKER_CLASS", "gthread")
threads = int(os.environ.get("GUNICORN_THREADS", "4"))

# A worker that has not reported for this long is taken for hung and replaced.
timeout = int(os.environ.get("GUNICORN_TIMEOUT", "30"))

# On SIGTERM running requests are finished; 25 s leave room within an orchestrator's usual 30.
graceful_timeout = int(os.environ.get("GUNICORN_GRACEFUL_TIMEOUT", "25"))

# The app writes a line for each request, with its id; a second log would only repeat it.
accesslog = os.environ.get("GUNICORN_ACCESSLOG") or None
errorlog = "-"
loglevel = os.environ.get("GUNICORN_LOGLEVEL", "warning")

# Signals do all that is needed; the socket would lie in $HOME and have to be guarded.
control_socket_disable = True

# Each worker counts in files here and /metrics sums them up: the folder must be there before
# prometheus_client is imported, and hold nothing of an earlier run.
_metrics_is_ours = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
if _metrics_is_ours:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="loans-metrics-")
_metrics = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])


def on_starting(_server):
    """Forget the counts of an earlier run; the lawful moment, for no worker lives yet."""
    _metrics.mkdir(parents=True, exist_ok=True)
    for left_over in _metrics.glob("*.db"):
        left_over.unlink()


def child_exit(_server, worker):
    """Take a dead worker out of the gauges that speak of living ones."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(_server):
    """Leave no folder behind that we made."""
    if _metrics_is_ours:
        shutil.rmtree(_metrics, ignore_errors=True)
