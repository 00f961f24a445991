"""A PgBouncer in transaction mode, with fewer connections than its clients have."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from app.local.folder import Folder
from app.local.processes import Child
from app.local.server import LOOPBACK, Server
from tests.servers import accepts, claimed_folder

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
POOL = 3
CONFIG = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {loopback}
listen_port = {mine}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 1000
server_login_retry = 1
"""


class PgBouncer(Server):
    """Lends connections to the server of `database_url`, to that URL's user."""

    name = "PgBouncer"
    death_signal = signal.SIGKILL
    stop_signals = ((signal.SIGTERM, 5),)

    def __init__(self, folder: Folder, database_url: str) -> None:
        super().__init__(folder)
        self._behind = make_url(database_url)

    @property
    def url(self) -> str:
        """The same database."""
        url = self._behind.set(host=LOOPBACK, port=self.port)
        return url.render_as_string(hide_password=False)

    def _prepare(self) -> None:
        self.folder.require_passage(self.folder.servers / "pgbouncer.ini")

    def _launch(self) -> Child:
        assert BINARY
        config, users = (self.folder.servers / name for name in ("pgbouncer.ini", "users"))
        self.folder.write_private(users, f'"{self._behind.username}" "{self._behind.password}"')
        self.folder.write_private(config, self._config(users))
        return self._spawn([BINARY, config])

    def _config(self, users: Path) -> str:
        return CONFIG.format(
            host=self._behind.host,
            port=self._behind.port or 5432,
            loopback=LOOPBACK,
            mine=self.port,
            users=users,
            pool=POOL,
        )

    def _answers(self) -> bool:
        return accepts(self.port)


@contextmanager
def pgbouncer(database_url: str) -> Iterator[PgBouncer]:
    with claimed_folder() as folder, PgBouncer(folder, database_url) as server:
        yield server
