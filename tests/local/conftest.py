"""A project of stubs that the launcher takes for the service, and a hold on what it starts."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest

from app.local.folder import Folder
from app.local.postgres import Postgres
from app.local.processes import wait_until
from app.local.valkey import Valkey
from tests.servers import fresh_folder

ROOT = Path(__file__).parents[2]
PATIENCE = 30
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
# Shadows the package of that name, as the launcher calls it.
CELERY = """
import os, signal, sys
def end(*_):
    print("worker ended in order", flush=True)
    raise SystemExit
signal.signal(signal.SIGTERM, end)
print("worker:", *sys.argv[1:], "PROMETHEUS_MULTIPROC_DIR" in os.environ, flush=True)
while True:
    signal.pause()
"""


NUMBERS = count()


class Launched:
    """A launcher in a process of its own."""

    def __init__(self, command: list[str], project: Path, environment: dict[str, str]) -> None:
        self.local = project / ".local"
        self._output = project / f"output-{next(NUMBERS)}.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=project, env=environment, stdout=output, stderr=subprocess.STDOUT
            )
        self.family: list[psutil.Process] = []

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def names(self) -> set[str]:
        """The programs it started that are no Python."""
        return {process.name() for process in self.family} & {"postgres", "valkey-server"}

    def said(self, words: str) -> bool:
        """Whether its output came to hold `words` while it lived."""
        wait_until(lambda: words in self.output or self.process.poll() is not None, PATIENCE)
        return words in self.output

    def ready(self) -> "Launched":
        """Wait for the message, and remember every process it has started by then."""
        assert self.said("Ctrl-C stops it"), self.output
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return self

    def urls(self) -> dict[str, str]:
        recorded: dict[str, str] = json.loads((self.local / "servers.json").read_text())
        return recorded

    def ended(self, signum: signal.Signals | None = None) -> int:
        """Its exit code, after `signum` if one is given."""
        if signum:
            self.process.send_signal(signum)
        return self.process.wait(PATIENCE)

    def leaves_nothing(self) -> bool:
        """Whether every process it had started goes too."""
        return wait_until(lambda: all(map(is_gone, self.family)), PATIENCE)


def is_gone(process: psutil.Process) -> bool:
    """Whether it ended; init may take its time to bury it."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder with a space in its path, where the servers' user may go."""
    with fresh_folder() as folder:
        path = folder / "a place"
        path.mkdir(mode=0o755)
        yield path


@pytest.fixture
def new_folder(place: Path) -> Iterator[Folder]:
    """A servers' folder that no server has used yet."""
    folder = Folder(place)
    with folder.claimed():
        yield folder


@pytest.fixture(scope="session")
def used_place() -> Iterator[Path]:
    """A project whose service has run before: initdb takes too long to run for every test."""
    with fresh_folder() as folder:
        path = folder / "used before"
        (path / ".local").mkdir(mode=0o755, parents=True)
        path.chmod(0o755)
        servers = Folder(path / ".local")
        with servers.claimed(), Postgres(servers, durable=False):
            pass
        yield path


@pytest.fixture
def folder(used_place: Path) -> Iterator[Folder]:
    """A servers' folder in use, claimed."""
    folder = Folder(used_place / ".local")
    with folder.claimed():
        yield folder


@pytest.fixture
def postgres(folder: Folder) -> Iterator[Postgres]:
    """Without fsync, which only a crash of the machine could tell."""
    with Postgres(folder, durable=False) as server:
        yield server


@pytest.fixture
def valkey(folder: Folder) -> Iterator[Valkey]:
    with Valkey(folder) as server:
        yield server


def make_project(path: Path) -> Path:
    """What the launcher takes for the service: it needs of `app` no more than `app.local`."""
    (path / "app").mkdir(exist_ok=True)
    (path / "app" / "__init__.py").touch()
    if not (path / "app" / "local").exists():
        (path / "app" / "local").symlink_to(ROOT / "app" / "local")
    for left_over in (".env", ".local/servers.json"):
        (path / left_over).unlink(missing_ok=True)
    (path / "wsgi.py").write_text(WSGI)
    (path / "alembic.py").write_text("print('migrated')\n")
    (path / "seed.py").write_text("import sys; print('seeded', *sys.argv[1:])\n")
    (path / "celery.py").write_text(CELERY)
    for name in ("gunicorn.conf.py", "fair_worker.py"):
        (path / name).write_text((ROOT / name).read_text())
    return path


@pytest.fixture
def project(used_place: Path) -> Path:
    """The service as the launcher sees it, started before."""
    return make_project(used_place)


@pytest.fixture
def new_project(place: Path) -> Path:
    """The service as the launcher sees it, just cloned."""
    return make_project(place)


@pytest.fixture
def environment() -> dict[str, str]:
    """No settings of the machine, and a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    servers = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "USE_CELERY"}
    settings = {*servers, "APP_ENV", "HOST", "PROMETHEUS_MULTIPROC_DIR"}
    inherited = {name: value for name, value in os.environ.items() if name not in settings}
    # Without the worker, which some tests have started by an empty setting.
    return {**inherited, "PORT": str(port), "USE_CELERY": "false"}


Launch = Callable[..., Launched]


@pytest.fixture
def launch_in(environment: dict[str, str]) -> Iterator[Launch]:
    """Start `python -m app.local run` in a project, with settings of the test's own."""
    started: list[Launched] = []

    def start(project: Path, *command: str, **settings: str) -> Launched:
        command = command or ("-m", "app.local", "run")
        launched = Launched([sys.executable, *command], project, {**environment, **settings})
        started.append(launched)
        return launched

    yield start
    for launched in started:
        launched.process.kill()
        launched.process.wait()
        assert launched.leaves_nothing()


@pytest.fixture
def launch(launch_in: Launch, project: Path) -> Launch:
    """Start it in the project that has been started before."""
    return partial(launch_in, project)
