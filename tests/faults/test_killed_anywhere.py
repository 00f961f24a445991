"""The worker kills itself before and after each statement of each operation in turn.

What it leaves is compared, row by row, with what was there before and with what the same operation
leaves undisturbed. The suite takes two of the operations, FAULTS=all each of them.
"""

import json
import os
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from flask import Flask

from app.local.processes import wait_until
from tests.factories import Caller
from tests.faults.operations import OPERATIONS, Asked
from tests.faults.records import Records, written
from tests.figures import report
from tests.serving import Answer, Service, served

CHOSEN = [*OPERATIONS] if os.environ.get("FAULTS") == "all" else ["payment", "withdrawal"]
NAME = "killed at a statement"
KEY = "the same each time"
PATIENCE = 30
# What PostgreSQL is to carry out at once: a text, or all until the Sync.
SENT = re.compile(rb"\tF\t\d+\t(?:(Query)|Execute\b.*?\tF\t\d+\tSync)\b", re.DOTALL)
figures = {"operations": 0, "points": 0, "half done": 0, "done twice": 0}


class Trial:
    """One operation, asked for again and again on the same records."""

    def __init__(self, service: Service, records: Records, admin: Caller, asked: Asked) -> None:
        self.service, self.records, self.asked = service, records, asked
        self._headers = {**admin.headers, "X-Request-ID": "a-trial"}
        self.before = records.rows()
        self.ask()  # the worker connects, which takes statements of its own
        records.put_back(self.before)
        undisturbed = self.ask()
        assert undisturbed.status == asked.status, undisturbed.body
        assert undisturbed.json | asked.shows == undisturbed.json
        self.statements: list[str] = json.loads(undisturbed.headers["statements"])
        self.after = written(records.rows(), self.before)

    def ask(self, kill_at: str = "") -> Answer:
        with self.service.client({**self._headers, "Kill-At": kill_at}) as client:
            return client.post(self.asked.path, self.asked.body, key=KEY)

    def kill(self, place: str) -> None:
        """Have the worker die there, and see its session with PostgreSQL end."""
        (worker,) = self.service.workers()
        with pytest.raises((ConnectionError, HTTPException)):
            self.ask(place)
        assert wait_until(lambda: not psutil.pid_exists(worker), PATIENCE)
        assert wait_until(lambda: not self.records.sessions(NAME), PATIENCE)

    def places(self) -> Iterator[tuple[str, bool]]:
        """Every place, and whether all is done once it has been reached."""
        committed_by = self.statements.index("COMMIT")
        for number in range(len(self.statements)):
            yield f"before {number + 1}", number > committed_by
            yield f"after {number + 1}", number >= committed_by

    @property
    def is_done(self) -> bool:
        return written(self.records.rows(), self.before) == self.after

    @property
    def is_untouched(self) -> bool:
        return self.records.rows() == self.before


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the worker and PostgreSQL say to each other, as libpq writes it down."""
    return tmp_path_factory.mktemp("faults") / "protocol"


@pytest.fixture(scope="module")
def service(environ: dict[str, str], protocol: Path) -> Iterator[Service]:
    mine = {
        "GUNICORN_CMD_ARGS": "--preload",  # so that the next worker is but a fork away
        "GUNICORN_LOGLEVEL": "critical",
        "PGAPPNAME": NAME,
        "TRACE_POSTGRESQL": str(protocol),
    }
    with served({**environ, **mine}, "tests.faults.failing:app", workers=1) as service:
        yield service
    report("killed before and after every statement", **figures)


@pytest.fixture
def records(environ: dict[str, str]) -> Iterator[Records]:
    with psycopg.connect(environ["DATABASE_URL"], autocommit=True) as connection:
        yield Records(connection)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_enumeration_misses_nothing_that_postgresql_is_sent(
    admin: Caller, service: Service, records: Records, protocol: Path, name: str
) -> None:
    trial = Trial(service, records, admin, OPERATIONS[name](admin))
    records.put_back(trial.before)
    start = len(protocol.read_bytes())
    trial.ask()
    sent = SENT.findall(protocol.read_bytes()[start:])
    assert (len(sent), sent[-1]) == (len(trial.statements), b"Query")
    assert [trial.statements.count("COMMIT"), trial.statements[-1]] == [1, "COMMIT"]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_worker_killed_anywhere_leaves_all_or_nothing_and_a_retry_completes_it_once(
    app: Flask, admin: Caller, service: Service, records: Records, name: str
) -> None:
    trial = Trial(service, records, admin, OPERATIONS[name](admin))
    figures["operations"] += 1
    for place, is_done in trial.places():
        records.put_back(trial.before)
        trial.kill(place)
        figures["points"] += 1
        figures["half done"] += not (trial.is_done or trial.is_untouched)
        assert (trial.is_done, trial.is_untouched) == (is_done, not is_done), place
        completed, again = trial.ask(), trial.ask()
        figures["done twice"] += not trial.is_done
        assert trial.is_done, place
        assert _told(completed) == (trial.asked.status, is_done), place
        assert _told(again) == (trial.asked.status, True), place
        assert completed.body == again.body, place
    assert _books_balance(app)


def _told(answer: Answer) -> tuple[int, bool]:
    return answer.status, "idempotency-replayed" in answer.headers


def _books_balance(app: Flask) -> bool:
    result: Any = app.test_cli_runner().invoke(args=["verify-books"])
    return result.exit_code == 0
