"""`make run`: the servers, migrations, demo data, and gunicorn and a worker until told to stop."""

import http.client
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from app.local.environment import EMBEDDED, embedded, read_environment, urls
from app.local.folder import Folder
from app.local.processes import Child, LocalError, tail, wait_until
from app.local.server import Server, port_is_free

READY_SECONDS = 60
FORMER_SECONDS = 10
STEP_SECONDS = 600
# Longer than gunicorn's own graceful_timeout, after which it ends its workers itself.
GUNICORN_SIGNALS = ((signal.SIGTERM, 30.0), (signal.SIGQUIT, 5.0))
# Time for an import to reach a checkpoint, and for a mail under way.
WORKER_SIGNALS = ((signal.SIGTERM, 15.0), (signal.SIGQUIT, 5.0))
WORKER = ("--quiet", "-A", "celery_app", "worker", "--beat", "--without-gossip", "--without-mingle")
OFF = ("0", "f", "false", "n", "no", "off")
WATCH_SECONDS = 0.2
READY = """
The loan service is ready: {url}

{login}  Console     {url}/{console}/
  Swagger UI  {url}/swagger/
  ReDoc       {url}/redoc/
  OpenAPI     {url}/openapi.json

Ctrl-C stops it. The data stay in .local/.
"""
LOGIN = "  Log in as   admin@loanapp.com / admin123\n"


@dataclass(frozen=True)
class Program:
    """A part of the service in processes of its own, and how it is ended."""

    name: str
    child: Child
    signals: Sequence[tuple[signal.Signals, float]]


def run(project: Path) -> int:
    """Serve `project` until Ctrl-C or SIGTERM, which is success; a child's death is not."""
    stop_on_signals()
    environment = read_environment(project)
    folder = Folder(project / ".local")
    try:
        with folder.claimed() as ours:
            if not ours:
                raise LocalError(
                    f"The service is already running here (process {folder.claimant}).\n"
                    "Stop that one first, or use another checkout."
                )
            _serve(project, folder, environment)
    except KeyboardInterrupt:
        say("Stopped.")
    return 0


def _serve(project: Path, folder: Folder, environment: dict[str, str]) -> None:
    host, port = address(environment)
    _require_free(host, port, FORMER_SECONDS if folder.former_was_killed else 0)
    with embedded(folder, environment) as servers:
        environment |= urls(servers)
        folder.record({name: environment[name] for name in EMBEDDED})
        environment.setdefault("PROMETHEUS_MULTIPROC_DIR", str(_fresh_metrics_folder(folder)))
        environment.setdefault("USE_CELERY", "true")
        _migrate(project, folder, environment)
        gunicorn = _start_gunicorn(project, environment)
        programs = [Program("gunicorn", gunicorn, GUNICORN_SIGNALS)]
        try:
            _seed(project, environment)  # while gunicorn comes up
            _await_health(gunicorn, host, port)
            if environment["USE_CELERY"].lower() not in OFF:
                programs.append(_start_worker(project, environment))  # nobody waits for it
            url, console = _base_url(host, port), environment.get("ADMIN_URL") or "console"
            say(READY.format(url=url, console=console.strip("/"), login=_login(environment)))
            _watch(programs, servers)
        finally:
            _end(programs)


def stop_on_signals() -> None:
    """Turn the signals that end a service into one KeyboardInterrupt, so that everything unwinds.

    Once: a second Ctrl-C must not interrupt the orderly stop that the first one began.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup asks to be left alone
        signals.append(signal.SIGHUP)

    def unwind(_signum: int, _frame: FrameType | None) -> None:
        for signum in signals:
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    for signum in signals:
        signal.signal(signum, unwind)


def address(environment: Mapping[str, str]) -> tuple[str, int]:
    """Where to listen: HOST and PORT, 127.0.0.1:8000 unless set."""
    port = environment.get("PORT", "8000")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise LocalError(f"PORT must be a number from 1 to 65535, not {port!r}.")
    return environment.get("HOST", "127.0.0.1"), int(port)


def _require_free(host: str, port: int, patience: float) -> None:
    """The workers of a launcher that was killed may need a moment yet to go."""
    if not wait_until(lambda: port_is_free(port, host), patience):
        raise LocalError(
            f"Port {port} on {host} is taken by another program.\n"
            f"Choose another one: PORT={port + 1 if port < 65535 else 8000} make run"
        )


def _fresh_metrics_folder(folder: Folder) -> Path:
    """An empty one: figures of dead workers would count for ever."""
    metrics = folder.path / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(mode=0o700, exist_ok=True)
    return metrics


def _migrate(project: Path, folder: Folder, environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    _step("migrations", command, project, environment, folder.path / "log" / "migrations.log")


def _seed(project: Path, environment: Mapping[str, str]) -> None:
    if is_development(environment):
        _step("demo data", [sys.executable, "seed.py", "--if-empty"], project, environment, None)


def _step(
    what: str,
    command: Sequence[str],
    project: Path,
    environment: Mapping[str, str],
    log: Path | None,
) -> None:
    """Run one command to its end; its output goes to `log`, or without one to the terminal."""
    output = log.open("wb") if log else None
    child = Child(command, death_signal=signal.SIGKILL, env=environment, cwd=project, output=output)
    if output:
        output.close()
    try:
        code = child.wait(STEP_SECONDS)
    finally:
        child.end()
    if code != 0:
        words = " ".join(command[1:])
        raise LocalError(f"The {what} failed ({words}).\n{tail(log) if log else ''}")


def _start_gunicorn(project: Path, environment: Mapping[str, str]) -> Child:
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    # On the launcher's death it ends at once: its database ends with it.
    return Child(command, death_signal=signal.SIGQUIT, env=environment, cwd=project)


def _start_worker(project: Path, environment: Mapping[str, str]) -> Program:
    """Celery's worker, with beat beside it. What it counts is not gunicorn's to sum up."""
    env = {k: value for k, value in environment.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    command = [sys.executable, "-m", "celery", *WORKER]
    # What it was doing another does again; at leisure it would wait for a broker that is gone, too.
    child = Child(command, death_signal=signal.SIGKILL, env=env, cwd=project)
    return Program("the worker", child, WORKER_SIGNALS)


def _await_health(gunicorn: Child, host: str, port: int) -> None:
    healthy = wait_until(
        lambda: gunicorn.poll() is not None or answers_healthz(host, port), READY_SECONDS
    )
    if gunicorn.poll() is not None:
        raise LocalError("gunicorn ended before it answered; the reason stands above.")
    if not healthy:
        raise LocalError(f"/healthz gave no answer within {READY_SECONDS} seconds.")


def answers_healthz(host: str, port: int) -> bool:
    """Whether /healthz says 200."""
    client = http.client.HTTPConnection(_reachable(host), port, timeout=5)
    with closing(client), suppress(OSError, http.client.HTTPException):
        client.request("GET", "/healthz")
        return client.getresponse().status == 200
    return False


def _watch(programs: Sequence[Program], servers: Sequence[Server]) -> None:
    """Never returns: KeyboardInterrupt ends it, or the death of a child."""
    while True:
        for program in programs:
            if (code := program.child.poll()) is not None:
                end = f"ended by itself (code {code}); its last words stand above."
                raise LocalError(f"{program.name} {end}")
        for server in servers:
            if not server.is_running:
                raise LocalError(server.obituary("ended by itself"))
        time.sleep(WATCH_SECONDS)


def _end(programs: Sequence[Program]) -> None:
    """All at once, each in its own time."""
    for program in programs:
        program.child.send(program.signals[0][0])
    for program in programs:
        program.child.end(*program.signals)


def is_development(environment: Mapping[str, str]) -> bool:
    """Whether demo users with known passwords may exist here."""
    return environment["APP_ENV"] == "development"


def _login(environment: Mapping[str, str]) -> str:
    return LOGIN if is_development(environment) else ""


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound


def _base_url(host: str, port: int) -> str:
    name = _reachable(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def say(text: str) -> None:
    """One message to the person at the terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
