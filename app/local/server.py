"""What the embedded servers have in common: a port, a log, a start and a stop."""

import random
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from app.local.folder import Folder
from app.local.processes import Child, LocalError, tail, wait_until

LOOPBACK = "127.0.0.1"
# Below the ports the kernel gives to outgoing connections: those could take a stopped server's
# port, even by connecting to themselves.
PORTS = range(20_000, 32_000)
PORT_ATTEMPTS = 5
START_SECONDS = 60
LOG_BYTES = 1_000_000


class Server:
    """A server on the loopback that dies with this process; its port and data outlive `stop`."""

    name: ClassVar[str]
    death_signal: ClassVar[signal.Signals]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.log = folder.path / "log" / f"{self.name.lower()}.log"
        self.port = 0
        self.child: Child | None = None
        self._log_start = 0

    def _prepare(self) -> None:
        """Whatever must be there before the first launch."""
        raise NotImplementedError

    def _launch(self) -> Child:
        """Start the process on `self.port`."""
        raise NotImplementedError

    def _answers(self) -> bool:
        """Whether the process that was launched accepts clients."""
        raise NotImplementedError

    def start(self) -> None:
        """Return when it accepts clients: on the port it had, or first on one that is free."""
        self._prepare()
        chosen_before = self.port
        for _ in range(PORT_ATTEMPTS):
            self.port = chosen_before or free_port()
            self._begin_log()
            self.child = self._launch()
            if self._came_up():
                return
            self.child.end()
            if chosen_before or port_is_free(self.port):
                break
        raise LocalError(self.obituary("did not start"))

    def _came_up(self) -> bool:
        wait_until(lambda: not self.is_running or self._answers(), START_SECONDS)
        return self.is_running and self._answers()

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.child is not None and self.child.poll() is None

    def stop(self, signum: signal.Signals | None = None) -> None:
        """Stop in order, or with `signum` alone; port and data are kept for the next start."""
        if self.child:
            self.child.end(*([(signum, START_SECONDS)] if signum else self.stop_signals))
            self.child = None

    def kill(self) -> None:
        """End it as a crash would."""
        self.stop(signal.SIGKILL)

    def restart(self, signum: signal.Signals | None = None) -> None:
        """Stop and start on the same port."""
        self.stop(signum)
        self.start()

    def obituary(self, fate: str) -> str:
        """What happened, with the end of the log."""
        return f"{self.name} {fate}. Its log, {self.log}, ends:\n{tail(self.log, self._log_start)}"

    def _begin_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.unlink()
        self.log.touch(mode=0o600)
        self._log_start = self.log.stat().st_size

    def _spawn(self, command: Sequence[str | Path], *, stdin: bytes | None = None) -> Child:
        # A bare environment: nobody's PGDATA, locale or preloaded library may change the server.
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
        with self.log.open("ab") as log:
            return Child(
                command,
                death_signal=self.death_signal,
                env=env,
                cwd=self.folder.servers,
                account=self.folder.account,
                stdin=stdin,
                output=log,
            )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port nobody listens on, at random so that two launchers seldom choose alike."""
    for port in random.sample(PORTS, k=200):
        if port_is_free(port):
            return port
    raise LocalError(f"No free port was found between {PORTS.start} and {PORTS.stop}.")
