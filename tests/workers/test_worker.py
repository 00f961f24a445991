"""A real worker: what it is sent it does, whatever becomes of it or of the broker."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from celery.beat import Scheduler
from flask import Flask
from redis import Redis
from sqlalchemy import select

from app.db import db, transaction
from app.local.processes import wait_until
from app.local.valkey import Valkey
from app.models import LoginFailures
from app.models.base import now
from app.queue import broker as messages
from app.queue.broker import VISIBILITY_SECONDS
from app.tasks import make_celery
from tests.workers.conftest import Made
from tests.workers.pretended import PATIENCE, Pretended
from tests.workers.running import Worker, working

# As long as the launcher and docker-compose wait at least.
WARM_SECONDS = 15
LOST, STILL_LOST = "Connection to broker lost", "(2/None)"


@pytest.fixture(scope="module")
def pulse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker") / "pulse"


@pytest.fixture
def apart(celery_environ: dict[str, str], valkey: Valkey) -> dict[str, str]:
    """Settings of workers beside the shared one."""
    return {**celery_environ, "CELERY_BROKER_URL": valkey.url}


@pytest.fixture(scope="module")
def shared(celery_environ: dict[str, str], table: object, pulse: Path) -> Iterator[Worker]:
    """One for all tests that leave it as it was."""
    with working({**celery_environ, "CELERY_PULSE_FILE": str(pulse)}) as worker:
        yield worker


def lines_of(worker: Worker, import_id: UUID) -> list[dict[str, Any]]:
    return [line for line in worker.lines("task") if line.get("of") == [str(import_id)]]


def send(celery: Celery, *import_ids: UUID) -> None:
    for import_id in import_ids:
        messages.send(celery, import_id)


def pass_visibility(valkey: Valkey) -> None:
    """As if what a worker did not acknowledge had waited for it long enough."""
    with Redis.from_url(valkey.url) as redis:
        for tag in redis.zrange("unacked_index", 0, -1):
            redis.zincrby("unacked_index", -VISIBILITY_SECONDS, tag)


def test_what_is_sent_is_done(shared: Worker, celery: Celery, imports: Pretended) -> None:
    import_ids = [imports.make() for _ in range(5)]
    send(celery, *import_ids)
    assert imports.is_done(*import_ids)


def test_each_task_has_a_line_in_the_log(
    shared: Worker, celery: Celery, imports: Pretended
) -> None:
    import_id = imports.make()
    send(celery, import_id)
    assert imports.is_done(import_id)
    assert wait_until(lambda: bool(lines_of(shared, import_id)), PATIENCE)
    (line,) = lines_of(shared, import_id)
    assert {name: line[name] for name in ("task", "outcome", "level", "logger")} == {
        "task": "import_customers",
        "outcome": "done",
        "level": "info",
        "logger": "app.tasks",
    }
    assert line["ms"] > 0
    assert UUID(line["task_id"])


def test_a_doubled_message_does_no_harm(shared: Worker, celery: Celery, imports: Pretended) -> None:
    import_id = imports.make()
    send(celery, *[import_id] * 5)
    assert imports.come_to(lambda row: row["calls"] == 5, import_id)
    assert imports.is_done(import_id)
    assert imports[import_id]["claims"] == 1


def test_two_at_once_are_two_processes(shared: Worker, celery: Celery, imports: Pretended) -> None:
    held = [imports.make(is_held=True) for _ in range(2)]
    send(celery, *held)
    assert all(map(imports.is_begun, held))
    assert len({imports[import_id]["worked_on_by"] for import_id in held}) == 2
    for import_id in held:
        imports.let_go(import_id)
    assert imports.is_done(*held)


def test_a_lost_message_is_swept_up(
    shared: Worker, celery: Celery, imports: Pretended, broker: "Redis[bytes]"
) -> None:
    """Both of its processes are at work, so that the message still waits when it is lost."""
    held = [imports.make(is_held=True) for _ in range(2)]
    send(celery, *held)
    assert all(map(imports.is_begun, held))
    lost = imports.make()
    send(celery, lost)
    broker.flushdb()
    for import_id in held:
        imports.let_go(import_id)
    assert imports.is_done(*held)
    assert imports[lost]["calls"] == 0
    celery.send_task("requeue_stale_imports")
    assert imports.is_done(lost)


def test_its_pulse_is_felt_while_it_reaches_the_broker(shared: Worker, pulse: Path) -> None:
    for _ in range(2):
        assert wait_until(pulse.exists, PATIENCE)
        pulse.unlink()


def test_what_a_process_died_under_is_given_to_another(
    shared: Worker, celery: Celery, imports: Pretended
) -> None:
    held = imports.make(is_held=True)
    send(celery, held)
    assert imports.is_begun(held)
    os.kill(imports[held]["worked_on_by"], signal.SIGKILL)
    assert imports.come_to(lambda row: row["calls"] == 2, held)


def test_all_is_due_at_beats_start_and_is_sent_and_done(shared: Worker, service: Flask) -> None:
    with service.app_context(), transaction():
        db.session.add(LoginFailures(email_digest=b"gone", failures=1, window_ends_at=now()))
    scheduler = Scheduler(app=make_celery(service))
    while not scheduler.tick():
        pass
    scheduler.close()
    assert all(shared.told(entry.task) for entry in scheduler.schedule.values())
    with service.app_context():
        assert db.session.scalars(select(LoginFailures)).all() == []


@pytest.mark.skipif(
    "WORKERS_OUTLIVE" not in os.environ, reason="takes minutes beside others; set WORKERS_OUTLIVE"
)
def test_a_worker_outlives_its_broker_and_its_work_outlives_it(
    apart: dict[str, str], made: Made, valkey: Valkey, imports: Pretended, tmp_path: Path
) -> None:
    """One that loses its broker for a while, and is killed; then one that is told to end."""
    celery = made(**apart).extensions["queue"].celery
    pulse, lost, held = tmp_path / "pulse", imports.make(), imports.make(is_held=True)
    with working({**apart, "CELERY_PULSE_FILE": str(pulse)}, "--beat") as worker:
        valkey.stop()
        assert wait_until(lambda: bool(worker.lines(LOST)), PATIENCE)
        pulse.unlink()
        assert wait_until(lambda: bool(worker.lines(STILL_LOST)), PATIENCE)
        assert not pulse.exists()
        valkey.start()
        send(celery, lost, held)
        assert imports.is_done(lost)
        assert imports.is_begun(held)
        assert wait_until(pulse.exists, PATIENCE)
        assert worker.ended(signal.SIGKILL) == -signal.SIGKILL
        assert worker.leaves_nobody()
    imports.run_out(held)
    pass_visibility(valkey)
    with working(apart) as successor:
        assert imports.come_to(lambda row: row["claims"] == 2, held)
        assert successor.ended(signal.SIGTERM, within=WARM_SECONDS) == 0
        assert successor.leaves_nobody()
        assert successor.lines("the worker has ended")
    assert (imports[held]["leased_until"], imports[held]["done_at"]) == (None, None)
