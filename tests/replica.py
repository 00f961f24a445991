"""A primary of a test's own and a real streaming replica of it, held up, killed and promoted."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import make_url

from app.local.folder import Folder
from app.local.postgres import HBA, SUPERUSER, Postgres
from app.local.processes import LocalError, wait_until
from app.local.server import LOOPBACK
from tests.servers import claimed_folder

CAUGHT_UP_SECONDS = 30
MAY_COPY = f"host replication all {LOOPBACK}/32 scram-sha-256\n"


class Primary(Postgres):
    """A server that may be copied, and followed."""

    def _initialise(self) -> None:
        super()._initialise()
        (self.data / "pg_hba.conf").write_text(HBA + MAY_COPY)

    def position(self) -> str:
        """How far it has written."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            (position,) = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone() or ()
        return str(position)


class Replica(Postgres):
    """Begins as a copy of its primary, and follows it."""

    name = "Replica"

    def __init__(self, folder: Folder, primary: Primary) -> None:
        super().__init__(folder, durable=False)
        self.data = folder.servers / "replica"
        self._primary = primary

    def start(self) -> None:
        """As for every server: it has what its primary has, and adds nothing."""
        super(Postgres, self).start()

    def of(self, url: str) -> str:
        """The replica's URL of a database of the primary's."""
        return make_url(url).set(port=self.port).render_as_string(hide_password=False)

    def promote(self) -> None:
        """Have it go on by itself, as if its primary were lost."""
        self._told("SELECT pg_promote(wait => true)")

    def hold(self) -> None:
        """Have it replay nothing until it is released."""
        self._told("SELECT pg_wal_replay_pause()")
        assert wait_until(
            lambda: self._told("SELECT pg_get_wal_replay_pause_state()") == "paused",
            CAUGHT_UP_SECONDS,
        )

    def release(self) -> None:
        self._told("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Return when it has replayed all that its primary has written by now."""
        position = self._primary.position()
        has_replayed = f"SELECT pg_last_wal_replay_lsn() >= '{position}'"
        assert wait_until(lambda: bool(self._told(has_replayed)), CAUGHT_UP_SECONDS)

    def _initialise(self) -> None:
        self._begin_log()
        copy = [
            *(self._bin / "pg_basebackup", "--pgdata", self.data, "--dbname", self._upstream()),
            *("--checkpoint=fast", "--write-recovery-conf", "--no-sync"),
        ]
        if self._spawn(copy).wait() != 0:
            raise LocalError(self.obituary("could not be made"))

    def _upstream(self) -> str:
        password = self._primary.folder.password()
        return (
            f"host={LOOPBACK} port={self._primary.port} user={SUPERUSER} password={password} "
            "sslmode=disable"
        )

    def _told(self, statement: str) -> object:
        told = make_url(self._primary.url).set(username=SUPERUSER, database="postgres")
        with psycopg.connect(self.of(told.render_as_string(False)), autocommit=True) as connection:
            (answer,) = connection.execute(statement).fetchone() or (None,)
        return answer


@contextmanager
def own_pair() -> Iterator[tuple[Primary, Replica]]:
    with (
        claimed_folder() as folder,
        Primary(folder) as primary,
        Replica(folder, primary) as replica,
    ):
        yield primary, replica
