"""What PostgreSQL tells of work beside requests, whoever is asked."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

from celery import Celery
from flask import Flask

from app import queue
from app.db import db, transaction
from app.errors import DatabaseAway
from app.models import CustomerImport, FlagNotice, ImportPart, ImportStatus
from app.models.base import now
from app.queue import Imports
from app.services import notices
from app.tasks import make_celery
from tests.factories import Caller
from tests.web.test_metrics import figure

ASKED = "/metrics"


def told(caller: Caller, name: str, **labels: str) -> float:
    return figure(caller.get(ASKED).text, f"loans_{name}", **labels)


def made_import(caller: Caller, status: ImportStatus, *parts: dict[str, Any]) -> None:
    with caller.app.app_context(), transaction():
        record = CustomerImport(
            created_by=caller.user.id,
            filename="customers.csv",
            is_dry_run=False,
            status=status,
            chunks=2,
            updated_at=now() - timedelta(minutes=5),
        )
        db.session.add(record)
        db.session.flush()
        for number, values in enumerate(parts):
            db.session.add(ImportPart(import_id=record.id, part=number, **values))


def test_lines_of_imports_are_summed_up_and_those_under_way_counted(admin: Caller) -> None:
    made_import(admin, ImportStatus.COMPLETED, {"created": 7, "rejected": 2}, {"created": 5})
    made_import(admin, ImportStatus.RUNNING, {"created": 1, "rejected": 1})
    made_import(admin, ImportStatus.QUEUED, {})
    assert told(admin, "import_lines_total", outcome="created") == 13
    assert told(admin, "import_lines_total", outcome="rejected") == 3
    assert told(admin, "imports", status="queued") == 1
    assert told(admin, "imports", status="running") == 1


def test_an_import_waits_while_nobody_is_at_some_part_of_it(admin: Caller) -> None:
    leased, lost = now() + timedelta(seconds=20), now() - timedelta(seconds=60)
    made_import(admin, ImportStatus.RUNNING, {"leased_until": leased}, {"next_chunk": 2})
    made_import(admin, ImportStatus.COMPLETED, {})
    assert told(admin, "import_oldest_wait_seconds") == 0
    made_import(admin, ImportStatus.RUNNING, {"leased_until": lost})
    assert 60 <= told(admin, "import_oldest_wait_seconds") < 120
    made_import(admin, ImportStatus.QUEUED, {})
    assert 300 <= told(admin, "import_oldest_wait_seconds") < 360


def test_notices_wait_until_they_are_sent_or_given_up(admin: Caller) -> None:
    ids = [admin.make_loan()["id"] for _ in range(3)]
    ago = now() - timedelta(minutes=10)
    given_up = {"attempts": notices.MOST_ATTEMPTS}
    with admin.app.app_context(), transaction():
        for loan_id, state in zip(ids, ({}, {"sent_at": now()}, given_up), strict=True):
            db.session.add(FlagNotice(loan_id=loan_id, created_at=ago, **state))
    assert told(admin, "notices_waiting") == 1
    assert told(admin, "notices_given_up") == 1
    assert 600 <= told(admin, "notice_oldest_wait_seconds") < 660


def test_each_outcome_of_a_task_is_written_down_for_whoever_asks(
    make_app: Callable[..., Flask], admin: Caller
) -> None:
    app = make_app(USE_CELERY="true")
    causes: list[Exception | None] = [None, None, ValueError("a bug"), DatabaseAway()]

    def carry_on(*_: object) -> None:
        if cause := causes.pop(0):
            raise cause

    queue.offer(app, Imports(carry_on, tuple))
    celery: Celery = make_celery(app)
    began_at = now().timestamp()
    while causes:
        celery.tasks["import_customers"].apply(["0" * 32], throw=True)
    celery.close()
    task = {"task": "import_customers"}
    for outcome, runs in (("done", 2), ("failed", 1), ("put off", 1)):
        of = {**task, "outcome": outcome}
        assert told(admin, "task_runs_total", **of) == runs
        assert told(admin, "task_seconds_total", **of) > 0
        assert told(admin, "task_last_timestamp_seconds", **of) >= began_at - 1


def test_without_a_database_the_rest_is_told(make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL="postgresql://u@127.0.0.1:9/d").test_client()
    text = client.get(ASKED).text
    assert figure(text, "loans_database_up") == 0
    assert "loans_http_requests_in_flight" in text
    assert "loans_task_runs" not in text


def test_a_task_that_cannot_be_written_down_is_no_failure(make_app: Callable[..., Flask]) -> None:
    app = make_app(DATABASE_URL="postgresql://u@127.0.0.1:9/d", USE_CELERY="true")
    queue.offer(app, Imports(lambda *_: None, tuple))
    with closing(make_celery(app)) as celery:
        done = celery.tasks["import_customers"].apply(["0" * 32])
    assert done.successful()
