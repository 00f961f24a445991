"""What more than one machine runs, on this one: each part of it may be killed and started again."""

import http.client
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import psutil

from app.local.folder import Folder
from app.local.processes import Child, wait_until
from app.local.server import LOOPBACK, Server
from app.local.valkey import Valkey
from tests.conftest import migrate
from tests.local.conftest import is_gone
from tests.network.own_postgres import new_database
from tests.network.pgbouncer import PgBouncer
from tests.replica import Primary, Replica
from tests.servers import claimed_folder
from tests.serving import Answer, Client

ROOT = Path(__file__).parents[2]
PATIENCE = 30


class Process(Server):
    """A process of the service's own, with those it forks."""

    death_signal = signal.SIGQUIT
    command: ClassVar[Sequence[str]]

    def __init__(self, folder: Folder, number: int, environ: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.log = folder.path / "log" / f"{self.name}-{number}.log"
        self._metrics = folder.path / f"metrics-{number}"
        self._environ = environ

    def stop(self, signum: signal.Signals | None = None) -> None:
        """As when its machine is lost: with all that it forked. Others prove its end in order."""
        family = psutil.Process(self.child.pid).children(recursive=True) if self.is_running else []
        super().stop(signum or signal.SIGKILL)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        assert wait_until(lambda: all(map(is_gone, family)), PATIENCE)

    def _prepare(self) -> None:
        """Nothing is kept."""

    def _launch(self) -> Child:
        mine = {
            "HOST": LOOPBACK,
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "1",
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
        }
        with self.log.open("ab") as log:
            return Child(
                [sys.executable, "-m", *self.command],
                death_signal=self.death_signal,
                env={**os.environ, **self._environ, **mine},
                cwd=ROOT,
                output=log,
            )


class Web(Process):
    name = "web"
    command = ("gunicorn", "-c", "gunicorn.conf.py", "wsgi:app")

    def _answers(self) -> bool:
        try:
            with Client(self.port, {}, timeout=2) as client:
                return client.get("/healthz").status == 200
        except (OSError, http.client.HTTPException):
            return False


class Worker(Process):
    name = "worker"
    command = (
        *("celery", "--quiet", "-A", "celery_app", "worker"),
        *("--without-gossip", "--without-mingle", "--concurrency", "1"),
    )

    def _answers(self) -> bool:
        return "is ready" in self.log.read_bytes()[self._log_start :].decode()


class Roaming(Client):
    """A client of several web processes: when one breaks, the next."""

    def __init__(self, webs: Sequence[Web], headers: Mapping[str, str]) -> None:
        super().__init__(webs[0].port, headers)
        self._ports = [web.port for web in webs]

    def cut_off(self) -> None:
        super().cut_off()
        self._ports.append(self._ports.pop(0))
        self._connection.port = self._ports[0]

    def answer(self) -> Answer:
        try:
            return super().answer()
        except (OSError, http.client.HTTPException):
            self.cut_off()
            raise

    def ask(self, method: str, path: str, body: object = None, *, key: str | None = None) -> None:
        try:
            super().ask(method, path, body, key=key)
        except (OSError, http.client.HTTPException):
            self.cut_off()
            raise


@dataclass
class Site:
    """All of it. It is a service to whoever needs but a client: each begins at another process."""

    primary: Primary
    replica: Replica
    bouncer: PgBouncer
    valkey: Valkey
    webs: Sequence[Web]
    workers: Sequence[Worker]
    url: str
    _clients: int = 0

    @property
    def parts(self) -> Sequence[Server]:
        """Each that may be lost, one at a time."""
        one, other = self.webs
        first, second = self.workers
        databases = (self.bouncer, self.replica, self.primary)
        return (one, *databases, first, other, self.valkey, second)

    def client(self, headers: Mapping[str, str]) -> Client:
        self._clients += 1
        return Roaming(self.webs[:: 1 if self._clients % 2 else -1], headers)


@contextmanager
def running(environ: Mapping[str, str]) -> Iterator[Site]:
    """Call it from the main thread, for all of it ends with the thread that started it."""
    with ExitStack() as stack:
        folder = stack.enter_context(claimed_folder())
        primary = stack.enter_context(Primary(folder))
        url = new_database(primary, "site_test")
        migrate(url)
        replica = stack.enter_context(Replica(folder, primary))
        bouncer = stack.enter_context(PgBouncer(folder, url))
        valkey = stack.enter_context(Valkey(folder))
        mine = {
            **environ,
            "DATABASE_URL": bouncer.url,
            "DATABASE_READ_URL": replica.of(url),
            "DATABASE_BEHIND_PGBOUNCER": "true",
            "REDIS_URL": valkey.url,
            "CELERY_BROKER_URL": f"{valkey.url.rpartition('/')[0]}/1",
            "USE_CELERY": "true",
        }
        webs = [stack.enter_context(Web(folder, number, mine)) for number in range(2)]
        mine["LOG_LEVEL"] = "INFO"  # by which a worker says that it is ready
        workers = [stack.enter_context(Worker(folder, number, mine)) for number in range(2)]
        yield Site(primary, replica, bouncer, valkey, webs, workers, url)
