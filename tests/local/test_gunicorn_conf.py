"""What gunicorn is told, and what it leaves."""

import signal
import subprocess
import sys

import pytest

from app.local.launcher import answers_healthz
from app.local.processes import wait_until

GUNICORN = ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")


def told(project, environment, name):
    words = [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "gunicorn.conf.py",
        "--print-config",
        "wsgi:app",
    ]
    shown = subprocess.run(
        words, cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return dict(line.split("=", 1) for line in shown.stdout.replace(" ", "").splitlines())[name]


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        ("PORT", "8123", "bind", "['127.0.0.1:8123']"),
        ("HOST", "127.0.0.2", "bind", "['127.0.0.2:8000']"),
        ("WEB_CONCURRENCY", "5", "workers", "5"),
        ("GUNICORN_THREADS", "7", "threads", "7"),
        ("UNRELATED", "1", "control_socket_disable", "True"),
        ("UNRELATED", "1", "graceful_timeout", "25"),
        ("UNRELATED", "1", "forwarded_allow_ips", "[]"),
    ],
)
def test_the_environment_overrides(project, environment, variable, value, setting, expected):
    del environment["PORT"]
    assert told(project, {**environment, variable: value}, setting) == expected


@pytest.mark.parametrize("given", [True, False])
def test_the_metrics_folder_is_empty_at_the_start_and_ours_is_gone_at_the_end(
    launch, project, environment, place, given
):
    temporary = place / "tmp"
    left_over = temporary / "given" / "counter_1.db"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    with (project / "wsgi.py").open("a") as wsgi:
        wsgi.write(
            "import os\n"
            "print('metrics:', os.listdir(os.environ['PROMETHEUS_MULTIPROC_DIR']), flush=True)"
        )
    settings = {"PROMETHEUS_MULTIPROC_DIR": str(left_over.parent)} if given else {}
    gunicorn = launch("-m", *GUNICORN, TMPDIR=str(temporary), **settings)
    assert wait_until(lambda: answers_healthz("127.0.0.1", int(environment["PORT"])), 30)
    assert gunicorn.said("metrics: []")
    assert gunicorn.ended(signal.SIGTERM) == 0
    assert [path.name for path in temporary.iterdir()] == ["given"]
