"""An import whose workers are killed again and again ends as if none had been.

IMPORT_LINES and IMPORT_KILLS say how large, and how often.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.local.processes import wait_until
from app.models import CustomerImport, Role
from app.services import imports
from app.services.actor import Actor
from app.services.imports import cutting
from app.services.imports.statements import PARTS
from tests.figures import report

LINES = int(os.environ.get("IMPORT_LINES", "12000"))
KILLS = int(os.environ.get("IMPORT_KILLS", "3"))
# So that even a short import has as many checkpoints as there are kills, and more.
CHUNK = max(200, min(10_000, LINES // (4 * KILLS)))
SECONDS = 600
MEBIBYTE = 1024
MOST_MEMORY = 256
BAD = (
    *("bad-{},", "bad-{},-1.00", "bad-{},1.005", "bad-{},1e3", "bad-{}", "bad-{},1,,", "bad/{},1"),
    *(
        "bad-{},1,2026-02-30T00:00:00Z",
        " bad-{},1",
        '"bad-{},1',
        "good-1,{}",
        "imports,{}",
        "é\x01{},1",
    ),
)


@pytest.fixture
def context(app: Flask, clean: None) -> Iterator[None]:
    with app.app_context():
        yield


def lines() -> Iterator[tuple[str, bool]]:
    """Each with whether it is good; one in a hundred is bad, of every kind in turn."""
    bad = cycle(BAD)
    for number in range(1, LINES + 1):
        if number % 100 == 0:
            yield next(bad).format(number), False
        else:
            yield f"good-{number},{number % 9_000}.50", True


def sent() -> imports.Staged:
    actor = Actor(id=uuid4(), role=Role.OFFICER)
    staged = imports.stage(actor, "book.csv", (f"{line}\n".encode() for line, _ in lines()))
    imports.accept(actor, staged)
    return staged


def start(environ: dict[str, str], import_id: UUID) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.importing", str(import_id)]
    return subprocess.Popen(command, env={**os.environ, **environ})


def standing(import_id: UUID) -> CustomerImport:
    """The import as it stands now."""
    found = db.session.get(CustomerImport, import_id, populate_existing=True)
    assert found is not None
    return found


def expire_leases(import_id: UUID) -> None:
    """As if as much time had passed since the last worker died."""
    with transaction():
        db.session.execute(
            text("UPDATE customer_import_parts SET leased_until = now() WHERE import_id = :id"),
            {"id": import_id},
        )


def memory(process: subprocess.Popen[bytes]) -> float:
    """The most that it has had, in MiB."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return sum(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / MEBIBYTE


def killed_after(processes: list[Any], import_id: UUID, least: int) -> float:
    """Kill them all once so many lines are done; the most memory that one of them had."""
    wait_until(lambda: standing(import_id).processed >= least, SECONDS)
    most = max(map(memory, processes))
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return most


@pytest.mark.usefixtures("context")
def test_no_line_is_lost_or_counted_twice_however_often_workers_are_killed(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "LINES_AT_MOST", CHUNK)
    staged = sent()
    largest = 0.0
    for kill in range(KILLS):
        workers = [start(environ, staged.id) for _ in range(PARTS)]
        largest = max(largest, killed_after(workers, staged.id, LINES * kill // (KILLS + 1) + 1))
        assert standing(staged.id).is_under_way
        expire_leases(staged.id)
    workers = [start(environ, staged.id) for _ in range(PARTS)]
    assert [worker.wait(SECONDS) for worker in workers] == [0] * PARTS

    ended = standing(staged.id)
    good = sum(is_good for _, is_good in lines())
    assert (ended.status, ended.processed) == ("COMPLETED", LINES)
    assert (ended.created, ended.rejected) == (good, LINES - good)
    assert told("SELECT count(*), count(DISTINCT external_id) FROM customers") == (good, good)
    wrong = [number for number, (_, is_good) in enumerate(lines(), 1) if not is_good]
    assert told("SELECT array_agg(line ORDER BY line) FROM customer_import_errors") == (wrong,)
    assert told("SELECT count(*) FROM customer_import_chunks") == (0,)
    assert largest < MOST_MEMORY
    report("An import resumes", lines=LINES, kills=KILLS, created=good, MiB=round(largest))


def told(query: str) -> tuple[Any, ...]:
    return tuple(db.session.execute(text(query)).one())
