"""nginx with the project's configuration, before web processes that a test names."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.local.folder import Folder
from app.local.processes import Child
from app.local.server import LOOPBACK, Server
from tests.servers import accepts, claimed_folder

BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
CONFIG = Path(__file__).parents[2] / "deploy" / "nginx.conf"
WEB = "server web:8000 resolve max_fails=1 fail_timeout=2s;"
GATEWAY = "172.31.255.1"


class Nginx(Server):
    """Listens and writes where it may here, knows its processes by their ports, and takes this
    machine for the gateway where it `is_told` for whom it is asked."""

    name = "nginx"
    death_signal = signal.SIGKILL
    stop_signals = ((signal.SIGQUIT, 5), (signal.SIGTERM, 5))

    def __init__(self, folder: Folder, ports: Sequence[int], *, is_told: bool = False) -> None:
        super().__init__(folder)
        self._ports = ports
        self._is_told = is_told

    def _prepare(self) -> None:
        self.folder.require_passage(self.folder.servers / "nginx.conf")

    def _launch(self) -> Child:
        assert BINARY
        config = self.folder.servers / "nginx.conf"
        self.folder.write_private(config, self._config())
        return self._spawn([BINARY, "-c", config, "-g", "daemon off;"])

    def _config(self) -> str:
        text = CONFIG.read_text()
        webs = " ".join(
            f"server {LOOPBACK}:{port} max_fails=1 fail_timeout=2s;" for port in self._ports
        )
        replaced = {
            WEB: webs,
            "listen 8080;": f"listen {LOOPBACK}:{self.port};",
            "/tmp/nginx.pid": str(self.folder.servers / "nginx.pid"),  # noqa: S108
            "/var/cache/nginx": str(self.folder.servers),
            **({GATEWAY: LOOPBACK} if self._is_told else {}),
        }
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _answers(self) -> bool:
        return accepts(self.port)


@contextmanager
def nginx(ports: Sequence[int], *, is_told: bool = False) -> Iterator[Nginx]:
    with claimed_folder() as folder, Nginx(folder, ports, is_told=is_told) as server:
        yield server
