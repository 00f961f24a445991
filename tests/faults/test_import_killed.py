"""Whoever works on an import kills itself before and after its statements, in turn.

What another makes of the import afterwards is compared, row by row, with what comes of it when
nobody dies. The suite takes the statements by which something is committed, FAULTS=all each one.
"""

import json
import os
import signal
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask

from app.local.processes import wait_until
from app.services.imports import cutting
from tests.factories import Caller
from tests.faults.records import Records, Rows, written
from tests.faults.workers import worker
from tests.figures import report
from tests.importing import accepted, lease_ran_out

NAME = "an import killed at a statement"
PATIENCE = 30
# With a line of each kind: good, good and doubtful, bad, taken, taken before in the file.
CONTENT = "a,1\né,2\nb/,3\nthere,4\nc,5\nd,6\na,7\né,8\ne,9\nf,x\n"
KILLS_EVERYWHERE = os.environ.get("FAULTS") == "all"
figures = {"points": 0, "created twice or never": 0, "counted twice or never": 0}


@pytest.fixture
def records(environ: dict[str, str]) -> Iterator[Records]:
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        yield Records(connection)


def places(statements: list[str]) -> Iterator[str]:
    for number, statement in enumerate(statements, 1):
        if statement == "COMMIT" or KILLS_EVERYWHERE:
            yield f"before {number}"
            yield f"after {number}"


def told(rows: Rows, before: Rows) -> Rows:
    """What was written; but for who held a part last, which the dead do not give back."""
    return {
        table: sorted(json.dumps(_without_lease(json.loads(row))) for row in kept)
        for table, kept in written(rows, before).items()
    }


def _without_lease(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if not name.startswith("lease")}


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_an_import_whose_worker_is_killed_anywhere_comes_to_the_same(
    app: Flask,
    admin: Caller,
    environ: dict[str, str],
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    is_dry_run: bool,
) -> None:
    monkeypatch.setattr(cutting, "LINES_AT_MOST", 5)
    admin.make_customer(external_id="there")
    import_id = accepted(app, admin, CONTENT, is_dry_run=is_dry_run)
    before = records.rows()
    with worker(environ, NAME) as working:
        statements = working.carry_on(import_id).statements
        expected = told(records.rows(), before)
        for place in places(statements):
            records.put_back(before)
            assert working.carry_on(import_id, place).code == -signal.SIGKILL, place
            assert wait_until(lambda: not records.sessions(NAME), PATIENCE)
            lease_ran_out(app)
            working.carry_on(import_id)
            after = told(records.rows(), before)
            figures["points"] += 1
            figures["created twice or never"] += after["customers"] != expected["customers"]
            parts = "customer_import_parts"
            figures["counted twice or never"] += after[parts] != expected[parts]
            assert after == expected, place
    report("an import killed at a statement", **figures)
