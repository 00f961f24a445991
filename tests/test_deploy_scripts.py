"""The scripts in deploy/, each run for real; only `docker` and `python` are stood in for."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from dotenv import dotenv_values

from app.config import load

DEPLOY = Path(__file__).parent.parent / "deploy"

# Images: `good` gets ready, `unmigratable` fails its migration, anything else never gets ready.
# What pgbouncer and nginx were started by is in files of their names; `stuck` names what never
# answers.
DOCKER = """#!/bin/sh
echo "${LOAN_IMAGE:--} $*" >> calls
case "$*" in
    "compose ps --quiet web") cat containers ;;
    "inspect"*) echo sha256:0123 ;;
    "compose run"*migrate) test "$LOAN_IMAGE" != unmigratable ;;
    "compose up"*beat) echo "$LOAN_IMAGE" > up ;;
    "compose exec"*/started) shift 3; cat "$1" ;;
    "compose exec"*reload) ! grep -qs reload stuck ;;
    "compose exec"*/ping) ! grep -qs ping stuck ;;
    "exec"*ready.py) ! grep -qs "$2" stuck && grep -qE '^(good|loan-service:former)$' up ;;
esac
"""


# What each was started by, which its container keeps.
STARTED = {"pgbouncer": "deploy/pgbouncer.sh", "nginx": "deploy/nginx/nginx.sh"}


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def code_of(*command: str | Path, **env: str) -> int:
    words = [str(word) for word in command]
    return subprocess.run(words, env=env, timeout=60, check=False).returncode


def entrypoint(tmp_path: Path, **env: str) -> list[str]:
    """What the entrypoint runs, in order, with a `python` that only notes how it was called."""
    calls = tmp_path / "calls"
    script(tmp_path / "python", f'#!/bin/sh\necho "python $*" >> {calls}\n')
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert code_of(DEPLOY / "entrypoint.sh", "python", "serve", PATH=path, **env) == 0
    return calls.read_text().splitlines()


def test_the_entrypoint_migrates_first_when_told_to(tmp_path: Path) -> None:
    assert entrypoint(tmp_path, RUN_MIGRATIONS="1") == [
        "python -m alembic upgrade head",
        "python serve",
    ]


def test_the_entrypoint_does_not_migrate_unless_told_to(tmp_path: Path) -> None:
    assert entrypoint(tmp_path) == ["python serve"]


def test_the_entrypoint_serves_nothing_when_the_migration_fails(tmp_path: Path) -> None:
    script(tmp_path / "python", "#!/bin/sh\nexit 3\n")
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert code_of(DEPLOY / "entrypoint.sh", "true", PATH=path, RUN_MIGRATIONS="1") == 3


def test_the_server_takes_the_place_of_the_entrypoint_to_receive_its_signals() -> None:
    command = [DEPLOY / "entrypoint.sh", "sh", "-c", "echo $$"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        out, _ = started.communicate(timeout=10)
    assert int(out) == started.pid


@pytest.fixture
def answering() -> Iterator[Callable[[int], int]]:
    """Start a server that answers /ping with the status given; gives its port."""
    servers: list[HTTPServer] = []

    def start(status: int) -> int:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/ping" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        servers.append(HTTPServer(("127.0.0.1", 0), Answer))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_goes_by_the_status_of_ping(
    answering: Callable[[int], int], status: int, code: int
) -> None:
    assert code_of(sys.executable, DEPLOY / "ready.py", PORT=str(answering(status))) == code


def test_the_health_check_takes_a_refused_connection_for_a_plain_no(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert code_of(sys.executable, DEPLOY / "ready.py", PORT="1") == 1
    assert capfd.readouterr().err == ""


def alive(pulse: Path, seconds: str = "30") -> int:
    return code_of(sys.executable, DEPLOY / "alive.py", seconds, CELERY_PULSE_FILE=str(pulse))


def test_who_gave_a_sign_of_life_lately_is_alive(tmp_path: Path) -> None:
    (tmp_path / "pulse").touch()
    assert alive(tmp_path / "pulse") == 0


def test_whose_last_sign_of_life_is_long_ago_is_not(tmp_path: Path) -> None:
    (tmp_path / "pulse").touch()
    os.utime(tmp_path / "pulse", (time.time() - 31, time.time() - 31))
    assert alive(tmp_path / "pulse") == 1


def test_who_never_gave_a_sign_of_life_is_not_alive(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert alive(tmp_path / "pulse") == 1
    assert capfd.readouterr().err == ""


class Host:
    """A directory like the one on a host, with a `docker` that only notes how it was called."""

    def __init__(self, at: Path, *, running: bool) -> None:
        self.at = at
        (at / "deploy").mkdir()
        (at / "bin").mkdir()
        script(at / "deploy" / "release.sh", (DEPLOY / "release.sh").read_text())
        script(at / "bin" / "docker", DOCKER)
        (at / "containers").write_text("c0ffee\nc0c0a\n" if running else "")
        (at / "deploy" / "nginx").mkdir()
        for name, path in STARTED.items():
            script(at / path, (DEPLOY.parent / path).read_text())
            script(at / name, (DEPLOY.parent / path).read_text())
        (at / ".env").write_text("SECRET_KEY=kept\nLOAN_IMAGE=old")
        (at / ".env").chmod(0o600)

    def release(self, image: str) -> int:
        path = f"{self.at / 'bin'}:{os.environ['PATH']}"
        return code_of(self.at / "deploy" / "release.sh", image, PATH=path, READY_TIMEOUT="0")

    def calls(self, part: str = "") -> list[str]:
        return [line for line in (self.at / "calls").read_text().splitlines() if part in line]

    def started(self) -> list[str]:
        return [line.split()[0] for line in self.calls("web worker beat") if " up " in line]

    def forced(self) -> list[str]:
        """What was made anew though compose saw nothing that changed."""
        return [line.split()[-1] for line in self.calls("--force-recreate")]

    @property
    def env(self) -> dict[str, str | None]:
        return dotenv_values(self.at / ".env")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, running=True)


def test_a_release_pulls_migrates_restarts_waits_and_opens_in_that_order(host: Host) -> None:
    assert host.release("good") == 0
    steps = [
        *("- pull", "- tag", "--wait postgres redis", "--no-deps migrate", "--no-deps pgbouncer"),
        *(
            "web worker beat",
            "- exec c0ffee",
            "- exec c0c0a",
            "--no-deps nginx",
            "-s reload",
            "/ping",
        ),
    ]
    assert [step for line in host.calls() for step in steps if step in line] == steps


def test_a_release_restarts_the_workers_with_the_service(host: Host) -> None:
    host.release("broken")
    assert host.started() == ["broken", "loan-service:former"]


def test_a_release_leaves_the_stores_alone_where_they_are_up(host: Host) -> None:
    assert host.release("good") == 0
    (started,) = host.calls("postgres")
    assert {"--no-recreate", "--wait", "redis"} <= set(started.split())
    others = host.calls("compose up ") + host.calls("compose run ")
    assert all("--no-deps" in line for line in others if line != started)


def test_what_was_started_by_the_same_files_goes_on(host: Host) -> None:
    assert host.release("good") == 0
    assert host.forced() == []


@pytest.mark.parametrize("name", STARTED)
def test_what_was_started_otherwise_or_not_at_all_is_started_anew(host: Host, name: str) -> None:
    with (host.at / STARTED[name]).open("a") as changed:
        changed.write("# changed\n")
    assert host.release("good") == 0
    assert host.forced() == [name]
    (host.at / name).unlink()
    assert host.release("good") == 0
    assert host.forced() == [name] * 2


@pytest.mark.parametrize("stuck", ["c0ffee", "c0c0a"])
def test_a_release_is_ready_when_each_of_its_web_processes_is(host: Host, stuck: str) -> None:
    (host.at / "stuck").write_text(stuck)
    assert host.release("good") == 1
    assert host.started() == ["good", "loan-service:former"]


@pytest.mark.parametrize("stuck", ["reload", "ping"])
def test_a_release_that_nginx_does_not_lead_to_gives_way(host: Host, stuck: str) -> None:
    (host.at / "stuck").write_text(stuck)
    assert host.release("good") == 1
    assert host.started() == ["good", "loan-service:former"]
    assert len(host.calls("-s reload")) == 1
    assert host.env["LOAN_IMAGE"] == "old"


def test_a_release_remembers_its_image_and_leaves_the_rest_of_the_settings(host: Host) -> None:
    host.release("good")
    assert host.env == {"SECRET_KEY": "kept", "LOAN_IMAGE": "good"}
    assert (host.at / ".env").stat().st_mode & 0o777 == 0o600


def test_a_release_that_is_not_ready_gives_way_to_the_former_image(host: Host) -> None:
    assert host.release("broken") == 1
    assert host.calls("tag sha256:0123 loan-service:former") != []
    assert host.env["LOAN_IMAGE"] == "old"


def test_a_migration_that_fails_leaves_the_running_service_alone(host: Host) -> None:
    assert host.release("unmigratable") == 1
    assert host.started() == []
    assert host.env["LOAN_IMAGE"] == "old"


def test_a_first_release_that_is_not_ready_has_nothing_to_go_back_to(tmp_path: Path) -> None:
    host = Host(tmp_path, running=False)
    assert host.release("broken") == 1
    assert host.started() == ["broken"]


def test_of_two_releases_at_once_one_is_refused(host: Host) -> None:
    with subprocess.Popen(["flock", "--no-fork", host.at, "sleep", "30"]) as other:
        deadline = time.monotonic() + 10
        while code_of("flock", "--nonblock", host.at, "true", PATH=os.environ["PATH"]) == 0:
            assert time.monotonic() < deadline
        assert host.release("good") == 1
        other.kill()
    assert not (host.at / "calls").exists()


@pytest.fixture
def replica(tmp_path: Path) -> Callable[..., list[str]]:
    """Start the replica, with programs that only note how they were called."""
    calls = tmp_path / "calls"
    script(
        tmp_path / "pg_basebackup",
        f'#!/bin/sh\necho copy >> {calls}\nmkdir "${{1#*=}}"\n'
        f'test -e {tmp_path}/broken && exit 1\necho 18 > "${{1#*=}}/PG_VERSION"\n',
    )
    script(tmp_path / "postgres", f'#!/bin/sh\necho "$*" >> {calls}\n')
    path = f"{tmp_path}:{os.environ['PATH']}"

    def start(**env: str) -> list[str]:
        calls.unlink(missing_ok=True)
        code_of(DEPLOY / "replica.sh", PATH=path, PGDATA=str(tmp_path / "data"), **env)
        return calls.read_text().splitlines()

    return start


def test_a_replica_is_a_copy_the_first_time_only(
    replica: Callable[[], list[str]], tmp_path: Path
) -> None:
    copied, started = replica()
    assert copied == "copy"
    assert started.startswith(f"-D {tmp_path / 'data'} ")
    assert replica() == [started]


def test_a_replica_gives_a_statement_as_long_as_the_service_does(
    replica: Callable[..., list[str]],
) -> None:
    assert "statement_timeout=10000" in replica()[-1]
    assert "statement_timeout=7" in replica(DATABASE_STATEMENT_TIMEOUT_MS="7")[-1]


def test_half_a_copy_is_made_anew(replica: Callable[[], list[str]], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    assert replica() == ["copy"]
    (tmp_path / "broken").unlink()
    assert replica()[0] == "copy"
    assert len(replica()) == 1


@pytest.mark.parametrize("password", ["p@ss/w:rd", 'with "quotes" and \\', "$HOME %s"])
def test_pgbouncer_is_told_the_password_whatever_it_is(tmp_path: Path, password: str) -> None:
    script(tmp_path / "pgbouncer", '#!/bin/sh\ncat "$1"\n')
    folder = tmp_path / "private"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PGPASSWORD": password}
    assert code_of(DEPLOY / "pgbouncer.sh", **env, PGBOUNCER_FOLDER=str(folder)) == 0
    quoted = password.replace('"', '""')
    assert (folder / "users").read_text() == f'"loans" "{quoted}"\n'
    assert (folder / "users").stat().st_mode & 0o077 == 0
    assert "pool_mode = transaction\n" in (folder / "pgbouncer.ini").read_text()
    assert (folder / "started").read_text() == (DEPLOY / "pgbouncer.sh").read_text()


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({}, ("10000", "3000")),
        ({"DATABASE_STATEMENT_TIMEOUT_MS": "7", "DATABASE_LOCK_TIMEOUT_MS": "5"}, ("7", "5")),
    ],
)
def test_pgbouncer_gives_reads_the_limits_of_the_service(
    tmp_path: Path, given: dict[str, str], limits: tuple[str, str]
) -> None:
    script(tmp_path / "pgbouncer", '#!/bin/sh\ncat "$1"\n')
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PGPASSWORD": "x", **given}
    assert code_of(DEPLOY / "pgbouncer.sh", **env, PGBOUNCER_FOLDER=str(tmp_path)) == 0
    (query,) = re.findall("connect_query='(.+)'", (tmp_path / "pgbouncer.ini").read_text())
    statement, lock = limits
    assert query.startswith(f"SET statement_timeout = {statement}; SET lock_timeout = {lock}; ")
    settings = load({**given, "DATABASE_URL": "postgresql://u@h/d", "REDIS_URL": "redis://h"})
    taken = (settings.database_statement_timeout_ms, settings.database_lock_timeout_ms)
    assert tuple(map(int, limits)) == taken


def test_prometheus_finds_the_token_in_a_file_and_nobody_else_does(tmp_path: Path) -> None:
    script(
        tmp_path / "prometheus",
        f'#!/bin/sh\necho "$@" "${{METRICS_TOKEN-none}}" > {tmp_path}/called\n',
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    start = (DEPLOY / "observability" / "prometheus.sh", "--flag", "--other")
    token = tmp_path / "token"
    env = {"PATH": path, "TOKEN_FILE": str(token)}
    assert code_of(*start, **env) != 0
    assert code_of(*start, **env, METRICS_TOKEN="") != 0
    assert not (tmp_path / "called").exists()
    assert code_of(*start, **env, METRICS_TOKEN="a $t%s") == 0
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("a $t%s", 0o600)
    assert (tmp_path / "called").read_text() == "--flag --other none\n"


def test_grafana_is_started_with_a_password_or_not_at_all(tmp_path: Path) -> None:
    called = tmp_path / "called"
    script(tmp_path / "run", f'#!/bin/sh\necho "$GF_SECURITY_ADMIN_PASSWORD" > {called}\n')
    start = DEPLOY / "observability" / "grafana.sh"
    env = {"PATH": os.environ["PATH"], "GRAFANA": str(tmp_path / "run")}
    assert code_of(start, **env) != 0
    assert code_of(start, **env, GRAFANA_PASSWORD="") != 0
    assert not called.exists()
    assert code_of(start, **env, GRAFANA_PASSWORD="p@ss w$rd") == 0
    assert called.read_text() == "p@ss w$rd\n"
