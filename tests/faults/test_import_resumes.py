"""An import whose workers are killed again and again, at any moment.

IMPORT_LINES and IMPORT_KILLS say how large it is and how often; the promise was tried for 1,000,000
and 20.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from uuid import UUID

import pytest
from flask import Flask

from app.local.processes import wait_until
from app.services.imports import cutting
from tests.credentials import execute
from tests.factories import Caller
from tests.faults.workers import Ended, Worker, worker
from tests.figures import report
from tests.importing import accepted, lease_ran_out, outcome

LINES = int(os.environ.get("IMPORT_LINES", "4000"))
KILLS = int(os.environ.get("IMPORT_KILLS", "4"))
CHUNKS = 100
BAD = 100  # each so many lines one
MOST_MEMORY = 256 * 1024
PATIENCE = 120
NAME = "works on an import"
PROCESSED = "SELECT sum(processed) FROM customer_import_parts"
IS_UNDER_WAY = "SELECT status IN ('QUEUED', 'RUNNING') FROM customer_imports"
CREATED = "SELECT count(*), count(DISTINCT external_id), sum(credit_limit) FROM customers"


def content() -> Iterator[bytes]:
    for first in range(0, LINES, 1_000):
        numbers = range(first, min(first + 1_000, LINES))
        yield "".join(
            f"crm-{number},{'x' if number % BAD == 0 else number}\n" for number in numbers
        ).encode()


def until_it_is_over(app: Flask, import_id: UUID, worker: Worker) -> list[Ended]:
    """Be there again whenever a child ends."""
    ended: list[Ended] = []
    while execute(app, IS_UNDER_WAY)[0]:
        ended.append(worker.carry_on(import_id))
    return ended


def test_an_import_resumes_whenever_its_workers_are_killed(
    app: Flask, admin: Caller, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "LINES_AT_MOST", LINES // CHUNKS)
    import_id = accepted(app, admin, content())
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(environ, NAME)) for _ in range(2)]
        pool = stack.enter_context(ThreadPoolExecutor(2))
        working = [pool.submit(until_it_is_over, app, import_id, each) for each in workers]
        for number, victim in zip(range(1, KILLS + 1), cycle(workers), strict=False):
            so_far = LINES * number // (KILLS + 1)
            assert wait_until(lambda least=so_far: execute(app, PROCESSED)[0] >= least, PATIENCE)
            assert wait_until(victim.kill, PATIENCE)
            lease_ran_out(app)
        ended = [each for future in working for each in future.result(PATIENCE)]
    found = outcome(app, import_id)
    bad = -(-LINES // BAD)
    memory = max(each.memory for each in ended)
    killed = sum(each.code != 0 for each in ended)
    created, names, limits = execute(app, CREATED)
    report(
        "an import resumes",
        kills=killed,
        created=found.created,
        rejected=found.rejected,
        twice=created - names,
        MiB=memory // 1024,
    )
    assert killed == KILLS
    assert found[:5] == ("COMPLETED", LINES, LINES, LINES - bad, bad)
    assert [line for line, *_ in found.refused] == [*range(1, LINES + 1, BAD)]
    assert (created, names) == (LINES - bad, LINES - bad)
    assert limits == sum(number for number in range(LINES) if number % BAD)
    assert memory <= MOST_MEMORY
