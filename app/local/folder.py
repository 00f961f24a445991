"""The folder of a set of servers: `.local/` for `make run`, one below it for each test run."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from app.local.accounts import owner_of, servers_account
from app.local.processes import LocalError


class Folder:
    """Data, password, logs and the lock of one set of servers.

    What the servers may read lies in `servers/`, which belongs to the user they run as.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.servers = self.path / "servers"
        self.account = servers_account(self.servers)
        self.former_was_killed = False
        self._record = self.path / "servers.json"

    @property
    def claimant(self) -> str:
        """The process id that the last claim left."""
        return (self.path / "lock").read_text().strip()

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Be the folder's only user; False when another process is.

        The lock is the kernel's, so it cannot outlive its holder.
        """
        self._make()
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            self.former_was_killed = self._record.exists()
            self._record.unlink(missing_ok=True)
            try:
                yield True
            finally:
                self._record.unlink(missing_ok=True)

    def _make(self) -> None:
        self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.servers.mkdir(mode=0o700, exist_ok=True)
        (self.path / "log").mkdir(mode=0o700, exist_ok=True)
        if self.account:
            self.path.chmod(0o755)
            os.chown(self.servers, self.account.uid, self.account.gid)
        elif self.servers.stat().st_uid != os.geteuid():
            raise LocalError(not_ours(self.servers))

    def require_passage(self, path: Path) -> None:
        """Refuse, with the folder's name, a path that the servers' user cannot reach."""
        closed = self.account and self.account.first_closed_folder(path)
        if self.account and closed:
            raise LocalError(
                f"PostgreSQL does not run as root, and the user {self.account.name}, who would run "
                f"it, may not enter {closed} (on the way to {path}).\n"
                "Start as an ordinary user, or move the checkout to a folder everyone may enter, "
                f"or open that one: chmod o+x '{closed}'"
            )

    def password(self) -> str:
        """The servers' password, made at the first call; only we and the servers can read it."""
        file = self.servers / "password"
        if not file.exists():
            self.write_private(file, secrets.token_urlsafe(24))
        return file.read_text().strip()

    def write_private(self, file: Path, text: str) -> None:
        """Write whole or not at all, readable by the servers' user alone."""
        draft = file.with_name(f"{file.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            if self.account:
                os.fchown(out.fileno(), self.account.uid, self.account.gid)
            out.write(text + "\n")
        draft.replace(file)

    def record(self, urls: Mapping[str, str]) -> None:
        """Leave the servers' URLs for other commands, as long as the folder is claimed."""
        self.write_private(self._record, json.dumps(dict(urls)))

    def recorded(self) -> dict[str, str] | None:
        """The URLs the claimant left, or None before it did."""
        if not self._record.exists():
            return None
        urls: dict[str, str] = json.loads(self._record.read_text())
        return urls


def not_ours(path: Path) -> str:
    """What to tell who may not use `path`, or may not make it where it should be."""
    while not path.exists():
        path = path.parent
    owner = owner_of(path)
    return (
        f"{path} belongs to {owner} and cannot be used as this user.\n"
        f"Start as {owner}, or take it over: sudo chown -R \"$(id -un)\" '{path}'"
    )
