"""The tasks by themselves, and what the processes of a worker and of beat are made of."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from celery import Celery
from flask import Flask

from app import queue
from app.queue import Imports
from app.services import jobs
from app.tasks import TASKS, make_celery
from tests.post_office import logged
from tests.workers.conftest import Made

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "celery", "--quiet", "-A", "celery_app", "worker")
SECRET = "ada@example.com"


def test_whatever_there_is_to_do_is_told_of() -> None:
    assert [do.__name__ for do in TASKS] == [*jobs.TASKS]


def run(task: str, *words: str, celery: Celery) -> dict[str, Any]:
    """Its line in the log, run here and now."""
    with logged() as lines:
        celery.tasks[task].apply(words, throw=True)
    (line,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    return dict(line)


def ran(script: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process that begins as a worker or beat does, and ends within its time."""
    return subprocess.run(
        [sys.executable, "-c", f"from celery import signals\nfrom celery_app import *\n{script}"],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_task_that_fails_says_so_without_what_is_anybodys(service: Flask) -> None:
    """PostgreSQL's messages quote the row from the second line on."""

    def carry_on(*_: object) -> None:
        raise ValueError(f"a constraint is violated\nDETAIL: {SECRET}")

    queue.offer(service, Imports(carry_on, tuple))
    import_id = str(uuid4())
    line = run("import_customers", import_id, celery=make_celery(service))
    told = ("task", "of", "outcome", "level")
    assert [line[name] for name in told] == ["import_customers", [import_id], "failed", "error"]
    assert line["task_id"]
    assert line["exception"][0]["exc_value"] == "a constraint is violated"
    assert SECRET not in json.dumps(line)


def test_what_is_no_import_fails_quietly(service: Flask) -> None:
    line = run("import_customers", "'; DROP TABLE loans", celery=make_celery(service))
    assert (line["outcome"], line["exception"][0]["exc_type"]) == ("failed", "ValueError")


def test_what_finds_no_broker_is_put_off(made: Made) -> None:
    service = made(USE_CELERY="true", CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    queue.offer(service, Imports(lambda *_: None, lambda: [uuid4()]))
    line = run("requeue_stale_imports", celery=make_celery(service))
    assert (line["outcome"], line["level"], "exception" in line) == ("put off", "warning", False)


def test_what_finds_no_database_is_put_off(made: Made) -> None:
    celery = make_celery(made(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"))
    for task in ("forget_expired", "send_notices", "fold_tallies"):
        line = run(task, celery=celery)
        assert (line["outcome"], line["level"], "exception" in line) == (
            "put off",
            "warning",
            False,
        )


def test_a_forked_process_shares_no_connection_with_its_parent(environ: dict[str, str]) -> None:
    done = ran(
        "import os\n"
        "import wsgi\n"
        "from sqlalchemy import text\n"
        "from app.db import db\n"
        "def told():\n"
        "    redis = wsgi.app.extensions['cache'].client\n"
        "    with wsgi.app.app_context():\n"
        "        backend = db.session.scalar(text('SELECT pg_backend_pid()'))\n"
        "        return backend, redis.client_id()\n"
        "parents = told()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signals.worker_process_init.send(sender=None)\n"
        "    shared = set(told()) & set(parents)\n"
        "    os._exit(len(shared))\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert told() == parents\n",
        environ,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_beats_pulse_is_felt_when_it_has_sent_something(
    environ: dict[str, str], tmp_path: Path, clean: None
) -> None:
    done = ran(
        "from pathlib import Path\n"
        "from uuid import uuid4\n"
        "import sys\n"
        "from app.queue import broker\n"
        f"pulse = Path('{tmp_path}/pulse')\n"
        "broker.send(celery, uuid4())\n"
        "assert not pulse.exists()\n"
        "signals.beat_init.send(sender=None)\n"
        "assert not pulse.exists()\n"
        "broker.send(celery, uuid4())\n"
        "assert pulse.exists()\n",
        {**environ, "CELERY_PULSE_FILE": f"{tmp_path}/pulse"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_worker_starts_on_unsafe_settings_and_they_are_named(environ: dict[str, str]) -> None:
    unsafe = {**os.environ, **environ, "APP_ENV": "production", "SECRET_KEY": "short"}
    done = subprocess.run(COMMAND, cwd=ROOT, env=unsafe, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "SECRET_KEY: shorter than 32 characters." in done.stderr
    assert "Traceback" not in done.stderr
