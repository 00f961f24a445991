"""A disk without room: who writes is refused while that lasts, and nothing is lost of it."""

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.local.folder import Folder
from app.local.postgres import Postgres
from app.local.processes import wait_until
from app.models import Role
from tests.attacks import refusal
from tests.conftest import migrate
from tests.factories import Lender
from tests.network.own_postgres import new_database
from tests.servers import fresh_folder
from tests.serving import PATIENCE

SIZE = "256m"
MIB = 1024 * 1024
# Each needs a new page of some table or index before long.
MOST = 2_000
SEGMENT = "SELECT pg_walfile_name(pg_current_wal_insert_lsn())"
NOISE = "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 500000))"


def succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small one of its own."""
    with fresh_folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
        options = f"size={SIZE},mode=0755,uid={os.geteuid()}"
        mount = [*as_root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if not succeeds(mount):
            pytest.skip("who may not mount a disk has none to fill")
        try:
            yield disk
        finally:
            subprocess.run([*as_root, "umount", disk], check=True)


@pytest.fixture
def postgres(disk: Path) -> Iterator[Postgres]:
    folder = Folder(disk)
    with folder.claimed(), Postgres(folder) as server:
        yield server


def fill(disk: Path) -> Path:
    """Leave no room; the file that takes all there was."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * MIB) == MIB:
                continue
        except OSError:
            return filler
    return filler


def begin_a_segment(url: str) -> None:
    """Have WAL written until it goes into a new file: without room for that PostgreSQL ends."""
    with psycopg.connect(url, autocommit=True) as connection:
        (before,) = connection.execute(SEGMENT).fetchone()
        while connection.execute(SEGMENT).fetchone() == (before,):
            connection.execute(NOISE)


def test_a_full_disk_refuses_writes_loses_none_and_is_over_when_there_is_room(
    disk: Path, postgres: Postgres, make_app: Callable[..., Flask]
) -> None:
    url = new_database(postgres, "full_test")
    migrate(url)
    app = make_app(DATABASE_URL=url)
    admin = Lender(app).user(Role.ADMIN)
    account = f"/customers/{admin.make_customer()['id']}/account"

    def deposit() -> TestResponse:
        return admin.post(f"{account}/deposits", {"amount": "1.00"})

    begin_a_segment(url)
    acknowledged = [deposit().status_code]
    filler = fill(disk)
    for _ in range(MOST):
        answer = deposit()
        if answer.status_code != 201:
            break
        acknowledged.append(answer.status_code)
    assert refusal(answer) == 503
    assert answer.headers["Retry-After"] == "1"
    assert admin.get(account).json["balance"] == f"{len(acknowledged)}.00"
    filler.unlink()
    assert wait_until(lambda: deposit().status_code == 201, PATIENCE)
    assert admin.get(account).json["balance"] == f"{len(acknowledged) + 1}.00"
    verified = app.test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output
