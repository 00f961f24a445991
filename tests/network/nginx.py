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
CONFIG = Path(__file__).parents[2] / "deploy" / "nginx" / "nginx.conf"
WEB = "server web:8000 resolve max_fails=1 fail_timeout=2s;"


class Nginx(Server):
    """Listens and writes where it may here, knows its processes by their ports, and believes
    `trusted`, as TRUSTED_PROXIES names them."""

    name = "nginx"
    death_signal = signal.SIGKILL
    stop_signals = ((signal.SIGQUIT, 5), (signal.SIGTERM, 5))

    def __init__(self, folder: Folder, ports: Sequence[int], *, trusted: str = "") -> None:
        super().__init__(folder)
        self._ports = ports
        self._trusted = trusted

    @property
    def config(self) -> Path:
        return self.folder.servers / "nginx.conf"

    @property
    def command(self) -> list[str | Path]:
        """What starts it, in the environment that it needs."""
        assert BINARY
        told = {
            "PATH": f"{Path(BINARY).parent}:/usr/bin:/bin",
            "NGINX_FOLDER": self.folder.servers,
            "NGINX_CONFIG": self.config,
            "TRUSTED_PROXIES": self._trusted,
        }
        script = self.folder.servers / "nginx.sh"
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in told.items()), "sh", script]

    def _prepare(self) -> None:
        self.folder.require_passage(self.config)

    def _launch(self) -> Child:
        self.folder.write_private(self.config, self._config())
        script = CONFIG.with_name("nginx.sh").read_text()
        self.folder.write_private(self.folder.servers / "nginx.sh", script)
        return self._spawn(self.command)

    def _config(self) -> str:
        text = CONFIG.read_text()
        webs = " ".join(
            f"server {LOOPBACK}:{port} max_fails=1 fail_timeout=2s;" for port in self._ports
        )
        replaced = {
            WEB: webs,
            "listen 8080;": f"listen {LOOPBACK}:{self.port};",
            "/tmp/nginx/": f"{self.folder.servers}/",  # noqa: S108
            "/var/spool/nginx": str(self.folder.servers),
        }
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        return text

    def _answers(self) -> bool:
        return accepts(self.port)


@contextmanager
def nginx(ports: Sequence[int], *, trusted: str = "") -> Iterator[Nginx]:
    with claimed_folder() as folder, Nginx(folder, ports, trusted=trusted) as server:
        yield server
