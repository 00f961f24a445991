"""`make run` as its user meets it: started, stopped, killed, and started wrongly."""

import signal
import socket
import time
import urllib.request

import psutil
import psycopg
import pytest

WATCHED = """
from app.local import processes
processes.KERNEL_TELLS_OF_DEATH = False
from app.local.__main__ import main
raise SystemExit(main(["run"]))
"""


def rows(url: str) -> int:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (id serial)")
        connection.execute("INSERT INTO kept DEFAULT VALUES")
        (count,) = connection.execute("SELECT count(*) FROM kept").fetchone() or (0,)
        return int(count)


def test_a_first_start_serves_and_tells_the_way_in(launch_in, new_project, environment):
    service = launch_in(new_project).ready()
    url = f"http://127.0.0.1:{environment['PORT']}"
    with urllib.request.urlopen(f"{url}/healthz") as answer:  # noqa: S310  our own
        assert answer.status == 200
    assert "seeded --if-empty" in service.output
    for line in (
        f"ready: {url}\n",
        "admin@loanapp.com / admin123",
        f"{url}/console/",
        f"{url}/swagger/",
    ):
        assert line in service.output
    assert service.names == {"postgres", "valkey-server"}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_it_leaves_no_process(launch, signum):
    service = launch().ready()
    assert service.ended(signum) == 0
    assert service.leaves_nothing()
    assert service.output.endswith("Stopped.\n")
    assert not (service.local / "servers.json").exists()


def test_a_second_start_is_quick_and_keeps_the_data(launch):
    service = launch().ready()
    count = rows(service.urls()["DATABASE_URL"])
    service.ended(signal.SIGTERM)
    before = time.monotonic()
    assert rows(launch().ready().urls()["DATABASE_URL"]) == count + 1
    assert time.monotonic() - before < 5


def test_killed_it_takes_every_process_along_and_starts_again_at_once(launch):
    service = launch().ready()
    count = rows(service.urls()["DATABASE_URL"])
    assert service.ended(signal.SIGKILL) == -signal.SIGKILL
    successor = launch()
    assert service.leaves_nothing()
    assert rows(successor.ready().urls()["DATABASE_URL"]) == count + 1


def test_killed_where_the_kernel_does_not_tell_it_takes_every_process_along(launch):
    service = launch("-c", WATCHED).ready()
    assert "sh" in {process.name() for process in service.family}
    service.ended(signal.SIGKILL)
    assert service.leaves_nothing()


def test_stopped_where_the_kernel_does_not_tell_it_leaves_no_process(launch):
    service = launch("-c", WATCHED).ready()
    assert service.ended(signal.SIGINT) == 0
    assert service.leaves_nothing()


def test_a_second_launcher_is_refused_and_the_first_goes_on(launch):
    service = launch().ready()
    second = launch()
    assert second.ended() == 1
    assert f"already running here (process {service.process.pid})" in second.output
    assert service.process.poll() is None


def test_a_taken_port_is_named_with_the_way_out(launch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = launch(PORT=str(port))
        assert service.ended() == 1
    assert f"Port {port} on 127.0.0.1 is taken" in service.output
    assert f"PORT={port + 1} make run" in service.output


@pytest.mark.parametrize("port", ["0", "65536", "http", "\uff18\uff10"])
def test_a_port_that_is_none_is_refused(launch, port):
    service = launch(PORT=port)
    assert service.ended() == 1
    assert "PORT must be a number from 1 to 65535" in service.output


def test_a_dead_server_is_named_with_its_log(launch):
    service = launch().ready()
    next(p for p in service.family if p.name() == "valkey-server").kill()
    assert service.ended() == 1
    assert service.leaves_nothing()
    assert "Valkey ended by itself" in service.output
    assert "Ready to accept connections" in service.output


def test_a_dead_gunicorn_is_named(launch):
    service = launch().ready()
    next(p for p in service.family if "gunicorn" in p.cmdline()).kill()
    assert service.ended() == 1
    assert service.leaves_nothing()
    assert "gunicorn ended by itself" in service.output


def test_a_worker_runs_beside_gunicorn_with_beat(launch):
    service = launch(USE_CELERY="").ready()
    assert service.said("worker: --quiet -A celery_app worker --beat")
    assert service.said("--without-mingle False\n"), "it has no part in gunicorn's metrics"
    assert service.ended(signal.SIGTERM) == 0
    assert "worker ended in order" in service.output
    assert service.leaves_nothing()


def test_a_dead_worker_is_named(launch):
    service = launch(USE_CELERY="").ready()
    assert service.said("worker: ")
    next(p for p in service.family if "celery" in p.cmdline()).kill()
    assert service.ended() == 1
    assert service.leaves_nothing()
    assert "the worker ended by itself" in service.output


@pytest.mark.parametrize("off", ["false", "0", "Off"])
def test_without_celery_there_is_no_worker(launch, off):
    service = launch(USE_CELERY=off).ready()
    assert not [p for p in service.family if "celery" in p.cmdline()]


def test_the_service_is_told_to_use_the_worker_that_runs(launch, project):
    (project / "seed.py").write_text("import os; print('celery', os.environ['USE_CELERY'])")
    assert "celery true" in launch(USE_CELERY="").ready().output


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("alembic.py", "raise SystemExit('no such revision')", "  | no such revision"),
        ("seed.py", "raise SystemExit('no seed')", "The demo data failed (seed.py --if-empty)"),
        ("wsgi.py", "raise RuntimeError('broken app')", "gunicorn ended before it answered"),
    ],
)
def test_a_failing_step_stops_the_start_and_says_why(launch, project, file, source, message):
    (project / file).write_text(source)
    service = launch()
    assert service.ended() == 1
    assert message in service.output


def test_a_stop_in_the_middle_of_a_step_leaves_no_process(launch, project):
    (project / "seed.py").write_text("print('busy', flush=True)\nimport time; time.sleep(60)\n")
    service = launch()
    assert service.said("busy")
    service.family = psutil.Process(service.process.pid).children(recursive=True)
    assert service.ended(signal.SIGINT) == 0
    assert service.leaves_nothing()


def test_a_named_database_is_used_and_not_embedded(launch, project):
    (project / ".env").write_text("DATABASE_URL=postgresql://somewhere/else\n")
    (project / "seed.py").write_text("import os; print('on', os.environ['DATABASE_URL'])")
    service = launch().ready()
    assert "on postgresql://somewhere/else" in service.output
    assert service.names == {"valkey-server"}


def test_the_environment_goes_before_the_env_file(launch, project):
    (project / ".env").write_text("REDIS_URL=redis://file/0\nAPP_ENV=development\n")
    service = launch(REDIS_URL="redis://environment/0", APP_ENV="production").ready()
    assert service.urls()["REDIS_URL"] == "redis://environment/0"
    assert service.names == {"postgres"}


def test_outside_development_there_is_no_demo_user(launch):
    service = launch(APP_ENV="production").ready()
    assert "seeded" not in service.output
    assert "admin123" not in service.output


def test_nothing_of_the_password_is_in_a_process_list_or_readable_to_others(launch):
    service = launch().ready()
    password = (service.local / "servers" / "password").read_text().strip()
    assert password in service.urls()["DATABASE_URL"]
    assert not any(password in word for p in service.family for word in p.cmdline())
    for secret in ("servers/password", "servers.json"):
        assert (service.local / secret).stat().st_mode & 0o077 == 0


def test_metrics_of_an_earlier_run_are_gone(launch, project):
    left_over = project / ".local" / "metrics" / "counter_1.db"
    left_over.parent.mkdir(exist_ok=True)
    left_over.touch()
    launch().ready()
    assert not left_over.exists()
