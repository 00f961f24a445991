"""The service under gunicorn, in processes of its own, and clients that reach it by the network."""

import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from app.local.processes import Child, tail, wait_until
from app.local.server import LOOPBACK, free_port
from tests.servers import fresh_folder

ROOT = Path(__file__).parents[1]
PATIENCE = 30
# As the launcher ends it: in order, then at once.
STOP = ((signal.SIGTERM, 20), (signal.SIGQUIT, 5))


@dataclass(frozen=True)
class Service:
    """A running gunicorn: its master and where it listens."""

    port: int
    master: int
    log: Path
    child: Child

    def workers(self) -> list[int]:
        """The worker processes of this moment."""
        return [child.pid for child in psutil.Process(self.master).children()]

    def ended(self, *, within: float) -> int | None:
        """The exit code of the master, told to end by others, or None when it lives on."""
        return self.child.wait(within)

    def client(self, headers: Mapping[str, str] | None = None) -> "Client":
        return Client(self.port, headers or {})


@dataclass(frozen=True)
class Answer:
    """What came back, byte for byte; headers by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One client with one connection, which it opens anew after it broke. Not for two threads."""

    def __init__(self, port: int, headers: Mapping[str, str], timeout: float = PATIENCE) -> None:
        self._headers = {"Content-Type": "application/json", **headers}
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)

    def send(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> Answer:
        """The answer. Raises OSError or HTTPException when none came: it may have been done."""
        self.ask(method, path, body, key=key)
        return self.answer()

    def ask(self, method: str, path: str, body: object = None, *, key: str | None = None) -> None:
        """Send, and do not wait: `answer` comes next, or `cut_off`."""
        headers = {**self._headers, **({"Idempotency-Key": key} if key else {})}
        sent = None if body is None else json.dumps(body).encode()
        with self._closed_when_it_breaks():
            self._connection.request(method, path, sent, headers)

    def answer(self) -> Answer:
        """What came back to what was asked. Raises as `send`."""
        with self._closed_when_it_breaks():
            response = self._connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())

    def cut_off(self) -> None:
        """Hang up, whatever is still to come; the next request has a connection of its own."""
        self._connection.close()

    @contextmanager
    def _closed_when_it_breaks(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def post(self, path: str, body: object = None, *, key: str | None = None) -> Answer:
        return self.send("POST", path, {} if body is None else body, key=key)

    def upload(self, path: str, filename: str, content: bytes) -> Answer:
        """Send a file as the one part of a form."""
        head = (
            f'--part\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
        )
        headers = {**self._headers, "Content-Type": "multipart/form-data; boundary=part"}
        with self._closed_when_it_breaks():
            form = head.encode() + content + b"\r\n--part--\r\n"
            self._connection.request("POST", path, form, headers)
        return self.answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()


@contextmanager
def served(
    environ: Mapping[str, str], target: str = "wsgi:app", *, workers: int = 2
) -> Iterator[Service]:
    """`target` under the project's gunicorn configuration, until the block ends.

    Call it from the main thread: the processes end with the thread that started them.
    """
    with fresh_folder() as folder:
        port, log, metrics = free_port(), folder / "log", folder / "metrics"
        metrics.mkdir()  # where the master loads the app, it counts before it is set up
        mine = {
            "HOST": LOOPBACK,
            "PORT": str(port),
            "WEB_CONCURRENCY": str(workers),
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        }
        with log.open("wb") as output:
            child = Child(
                [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", target],
                death_signal=signal.SIGQUIT,
                env={**os.environ, **environ, **mine},
                cwd=ROOT,
                output=output,
            )
        try:
            wait_until(lambda: child.poll() is not None or _answers(port), PATIENCE)
            assert child.poll() is None, tail(log)
            yield Service(port, child.pid, log, child)
        finally:
            child.end(*STOP)


def _answers(port: int) -> bool:
    try:
        with Client(port, {}, timeout=2) as client:
            return client.get("/healthz").status == 200
    except (OSError, http.client.HTTPException):
        return False
