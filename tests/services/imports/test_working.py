"""Working on imports: by whom, how far, and what is left by those who fail, stop or die."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import count
from threading import Barrier, Event
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select

from app.db import db, transaction
from app.errors import DatabaseAway
from app.local.processes import wait_until
from app.models import Customer, ImportStatus
from app.services import imports, search
from app.services.imports import chunks, cutting, working
from tests import searching
from tests.attacks import fingerprint
from tests.credentials import execute
from tests.factories import Caller
from tests.importing import (
    TAKEN,
    accepted,
    carry_on,
    customers,
    lease_ran_out,
    lines,
    names,
    outcome,
    sender,
)
from tests.tallying import differences

Connection = psycopg.Connection[Any]
Parallel = Callable[..., list[Any]]
PATIENCE = 20
SMALL = 4
# Judged here, for PostgreSQL does not know what is plain of these.
DOUBTFUL = [f"é{number}" for number in range(SMALL)]
PARTS = """
SELECT part, next_chunk, processed, created, rejected, failures, lease IS NOT NULL
FROM customer_import_parts ORDER BY part
"""
LEFT = """
SELECT (SELECT count(*) FROM customer_import_chunks), (SELECT count(*) FROM customer_import_names)
"""
EVENTS = """
SELECT action, actor_kind, actor_id, details FROM audit_events
WHERE subject = 'import' ORDER BY at
"""
WAITS = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LINES_AT_MOST", SMALL)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


class Gate:
    """Where a worker waits, and the test with it, until one lets the other on."""

    def __init__(self) -> None:
        self.reached, self.opened = Event(), Event()

    def wait(self) -> None:
        self.reached.set()
        assert self.opened.wait(PATIENCE)


@pytest.fixture
def judging(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Whoever has a line to judge waits there: the part is theirs, and its transaction is open."""
    gate, judge = Gate(), app.extensions["import-judge"]

    def judged(given: Any) -> Any:
        gate.wait()
        return judge(given)

    monkeypatch.setitem(app.extensions, "import-judge", judged)
    yield gate
    gate.opened.set()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Whoever has created customers by the last chunk of a part waits there before they commit."""
    gate, finish = Gate(), chunks._finish_with_the_last

    def finished(import_id: UUID) -> None:
        if db.session.scalar(select(Customer.id).limit(1)):
            gate.wait()
        finish(import_id)

    monkeypatch.setattr(chunks, "_finish_with_the_last", finished)
    yield gate
    gate.opened.set()


def parts(sql: Connection) -> list[Any]:
    return sql.execute(PARTS).fetchall()


def waits(sql: Connection) -> bool:
    """Whether somebody waits for a lock."""
    return bool(sql.execute(WAITS).fetchall())


def unattended(app: Flask) -> list[UUID]:
    with app.app_context():
        return imports.unattended()


def spoil(app: Flask, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have each line that is to be judged fail."""

    def judge(_: object) -> Any:
        raise error

    monkeypatch.setitem(app.extensions, "import-judge", judge)


def fail(app: Flask, import_id: UUID) -> None:
    with pytest.raises(ZeroDivisionError):
        carry_on(app, import_id)


def stop_after(checks: int) -> Callable[[], bool]:
    """Whether a worker should stop: not the first times that it is asked."""
    asked = count()
    return lambda: next(asked) >= checks


def test_an_import_is_queued_begun_worked_on_and_completed(
    app: Flask, admin: Caller, judging: Gate, pool: ThreadPoolExecutor
) -> None:
    import_id = accepted(app, admin, lines(DOUBTFUL))
    assert outcome(app, import_id)[:2] == ("QUEUED", SMALL)
    worker = pool.submit(carry_on, app, import_id)
    assert judging.reached.wait(PATIENCE)
    assert outcome(app, import_id)[:3] == ("RUNNING", SMALL, 0)
    judging.opened.set()
    worker.result(PATIENCE)
    assert outcome(app, import_id) == ("COMPLETED", SMALL, SMALL, SMALL, 0, [])


def test_two_at_once_never_work_on_the_same_part(
    app: Flask, admin: Caller, judging: Gate, pool: ThreadPoolExecutor, sql: Connection
) -> None:
    """While one is held up, another does the rest, and then finds nothing more to do."""
    import_id = accepted(app, admin, lines([*DOUBTFUL[:1], *names("crm", 40)]))
    slow = pool.submit(carry_on, app, import_id)
    assert judging.reached.wait(PATIENCE)
    carry_on(app, import_id)
    ((_, held, *_), (_, other, *_)) = sorted(parts(sql), key=lambda part: part[1])
    assert (held, other) == (0, 11)
    judging.opened.set()
    slow.result(PATIENCE)
    assert outcome(app, import_id) == ("COMPLETED", 41, 41, 41, 0, [])


def test_however_many_work_on_it_each_part_is_claimed_once(
    app: Flask, admin: Caller, in_parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[int] = []
    work = working._work

    def noted(claim: chunks.Claim, should_stop: Callable[[], bool]) -> None:
        claims.append(claim.part)
        work(claim, should_stop)

    monkeypatch.setattr(working, "_work", noted)
    import_id = accepted(app, admin, lines(names("crm", 100)))
    in_parallel(*[partial(carry_on, app, import_id)] * 8)
    assert sorted(claims) == [0, 1]
    assert outcome(app, import_id) == ("COMPLETED", 100, 100, 100, 0, [])


def test_whoever_lost_their_lease_writes_nothing_more(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    """Taken for dead after their first chunk, they find the part another's."""
    import_id = accepted(app, admin, lines(names("crm", 40)))
    asked = count()
    taken: list[Any] = []

    def should_stop() -> bool:
        if next(asked) == 1:
            lease_ran_out(app)
            taken.extend(pool.submit(claimed, app, import_id).result(PATIENCE) for _ in range(2))
        return False

    with ThreadPoolExecutor(1) as pool:
        carry_on(app, import_id, should_stop=should_stop)
        claim, other = taken
        assert (claim.part, other.part) == (0, 1)
        assert [part[1] for part in parts(sql)] == [1, 0]
        assert [part[-1] for part in parts(sql)] == [True, True]
        for each in taken:
            pool.submit(work, app, each).result(PATIENCE)
    assert outcome(app, import_id) == ("COMPLETED", 40, 40, 40, 0, [])


def claimed(app: Flask, import_id: UUID) -> Any:
    with app.app_context():
        return working._claimed(import_id)


def give_up(app: Flask, import_id: UUID) -> None:
    with app.app_context(), transaction():
        chunks.finish(import_id, ImportStatus.FAILED)


def work(app: Flask, claim: chunks.Claim) -> None:
    with app.app_context():
        working._work(claim, lambda: False)


def test_whoever_lost_their_lease_neither_lets_go_nor_counts_a_failure(
    app: Flask, admin: Caller, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = accepted(app, admin, lines(DOUBTFUL))
    lost = claimed(app, import_id)
    lease_ran_out(app)
    kept = claimed(app, import_id)
    assert lost.part == kept.part
    work(app, lost)
    spoil(app, monkeypatch, ZeroDivisionError())
    with app.app_context():
        working._note_failure(lost)
    assert (parts(sql)[kept.part][5], parts(sql)[kept.part][-1]) == (0, True)


def test_of_the_parts_that_end_at_once_the_last_finishes_the_import_once(
    app: Flask,
    admin: Caller,
    in_parallel: Parallel,
    sql: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both have written their last chunk, and neither sees what the other wrote."""
    import_id = accepted(app, admin, lines(names("crm", SMALL)))
    have_written, have_looked, finish = Barrier(2), [], chunks._finish_with_the_last

    def finished(import_id: UUID) -> None:
        have_written.wait(PATIENCE)
        finish(import_id)
        have_looked.append(import_id)
        assert wait_until(lambda: len(have_looked) == 2 or waits(sql), PATIENCE)

    monkeypatch.setattr(chunks, "_finish_with_the_last", finished)
    in_parallel(*[partial(carry_on, app, import_id)] * 2)
    assert outcome(app, import_id) == ("COMPLETED", SMALL, SMALL, SMALL, 0, [])
    assert [event[0] for event in sql.execute(EVENTS)] == ["import.accepted", "import.completed"]
    assert sql.execute(LEFT).fetchone() == (0, 0)


def test_what_goes_wrong_is_counted_let_go_and_tried_again(
    app: Flask, admin: Caller, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = accepted(app, admin, lines([*names("crm", SMALL), *DOUBTFUL]))
    with monkeypatch.context() as patch:
        spoil(app, patch, ZeroDivisionError())
        fail(app, import_id)
    ((_, done, *_, failures, is_held),) = [part for part in parts(sql) if part[5]]
    assert (done, failures, is_held) == (1, 1, False)
    assert set(unattended(app)) == {import_id}
    carry_on(app, import_id)
    assert outcome(app, import_id) == ("COMPLETED", 2 * SMALL, 2 * SMALL, 2 * SMALL, 0, [])
    assert [part[5] for part in parts(sql)] == [0, 0]


def test_an_import_that_fails_again_and_again_is_given_up(
    app: Flask, admin: Caller, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was done by then stays; a part that another is at is done with, too."""
    import_id, dry = (
        accepted(app, admin, lines([*names(prefix, SMALL), *DOUBTFUL]), is_dry_run=is_dry_run)
        for prefix, is_dry_run in (("crm", False), ("dry", True))
    )
    spoil(app, monkeypatch, ZeroDivisionError())
    for number in range(1, working.MOST_FAILURES + 1):
        assert outcome(app, import_id).status != "FAILED"
        for each in (import_id, dry):
            fail(app, each)
        assert max(part[5] for part in parts(sql)) == number
    for each in (import_id, dry):
        found = outcome(app, each)
        assert (found.status, found.rejected) == ("FAILED", 0)
        assert 0 < found.created == found.processed < 2 * SMALL
    assert len(customers(app)) == outcome(app, import_id).created
    assert sql.execute(LEFT).fetchone() == (0, 0)
    assert unattended(app) == []
    carry_on(app, import_id)
    assert outcome(app, import_id).status == "FAILED"


def test_whoever_is_at_a_part_of_an_import_that_was_given_up_stops(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    import_id = accepted(app, admin, lines(names("crm", 40)))
    claim = claimed(app, import_id)
    for _ in range(2):
        give_up(app, import_id)
    work(app, claim)
    assert outcome(app, import_id) == ("FAILED", 40, 0, 0, 0, [])
    assert [event[0] for event in sql.execute(EVENTS)] == ["import.accepted", "import.failed"]


def test_a_database_that_is_away_says_nothing_of_the_import(
    app: Flask, admin: Caller, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_id = accepted(app, admin, lines(DOUBTFUL))
    with monkeypatch.context() as patch:
        spoil(app, patch, DatabaseAway())
        with pytest.raises(DatabaseAway):
            carry_on(app, import_id)
    assert [part[5] for part in parts(sql)] == [0, 0]
    lease_ran_out(app)
    carry_on(app, import_id)
    assert outcome(app, import_id) == ("COMPLETED", SMALL, SMALL, SMALL, 0, [])


def test_whoever_should_stop_does_so_at_a_checkpoint_and_lets_go_at_once(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    import_id = accepted(app, admin, lines(names("crm", 40)))
    carry_on(app, import_id, should_stop=stop_after(2))
    first, second = parts(sql)
    assert (first[1], second[1]) == (2, 0)
    assert (first[-1], second[-1]) == (False, False)
    found = outcome(app, import_id)
    assert (found.status, found.processed) == ("RUNNING", first[2])
    assert len(customers(app)) == first[3] > 0
    assert set(unattended(app)) == {import_id}
    carry_on(app, import_id)
    assert outcome(app, import_id) == ("COMPLETED", 40, 40, 40, 0, [])


def test_whoever_should_not_begin_does_not(app: Flask, admin: Caller, sql: Connection) -> None:
    import_id = accepted(app, admin, lines(names("crm", SMALL)))
    carry_on(app, import_id, should_stop=lambda: True)
    assert outcome(app, import_id).status == "QUEUED"
    assert [part[-1] for part in parts(sql)] == [False, False]


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_an_import_that_is_over_is_not_worked_on_again(
    app: Flask, admin: Caller, is_dry_run: bool
) -> None:
    import_id = accepted(app, admin, lines(names("crm", SMALL)), is_dry_run=is_dry_run)
    carry_on(app, import_id)
    done = fingerprint(app)
    carry_on(app, import_id)
    assert fingerprint(app) == done


def test_an_import_that_nobody_knows_is_not_worked_on(app: Flask, clean: None) -> None:
    before = fingerprint(app)
    carry_on(app, UUID(int=1))
    assert fingerprint(app) == before


def test_those_are_unattended_of_which_a_part_waits_or_has_lost_its_worker(
    app: Flask, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued, stopped, dead, alive, done, failed, half = (
        accepted(app, admin, lines(names(f"crm-{number}", 20))) for number in range(7)
    )
    with app.app_context():
        imports.stage(sender(admin), "on its way", [b"a,1\n"])
    carry_on(app, stopped, should_stop=stop_after(1))
    carry_on(app, done)
    give_up(app, failed)
    for _ in range(2):
        claimed(app, dead)
    lease_ran_out(app)
    for _ in range(2):
        claimed(app, alive)
    work(app, claimed(app, half))
    assert sorted(set(unattended(app))) == sorted((queued, stopped, dead, half))
    claimed(app, half)
    assert sorted(set(unattended(app))) == sorted((queued, stopped, dead))


def test_what_a_dead_worker_left_is_taken_up_when_its_lease_is_over(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    import_id = accepted(app, admin, lines(names("crm", 40)))
    claim = claimed(app, import_id)
    with app.app_context():
        assert chunks.chunk_done(claim)
    carry_on(app, import_id)
    assert [part[1] for part in parts(sql)] == [1, 10]
    assert unattended(app) == []
    lease_ran_out(app)
    assert set(unattended(app)) == {import_id}
    carry_on(app, import_id)
    assert outcome(app, import_id) == ("COMPLETED", 40, 40, 40, 0, [])


def test_a_part_on_which_somebody_is_at_work_is_not_claimed_though_their_lease_is_over(
    app: Flask,
    admin: Caller,
    judging: Gate,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chunk that takes too long is theirs as long as it takes; nor is it waited for."""
    monkeypatch.setattr(working, "LEASE", timedelta())
    import_id = accepted(app, admin, lines(DOUBTFUL))
    slow = pool.submit(carry_on, app, import_id)
    assert judging.reached.wait(PATIENCE)
    claims = [claimed(app, import_id) for _ in range(3)]
    assert len({claim.part for claim in claims}) == 1
    judging.opened.set()
    slow.result(PATIENCE)
    carry_on(app, import_id)
    assert outcome(app, import_id) == ("COMPLETED", SMALL, SMALL, SMALL, 0, [])


def test_a_lease_is_renewed_with_each_chunk(app: Flask, admin: Caller, sql: Connection) -> None:
    claim = claimed(app, accepted(app, admin, lines(names("crm", 40))))
    lease_ran_out(app)
    with app.app_context():
        assert chunks.chunk_done(claim)
    left = "SELECT max(leased_until) - clock_timestamp() FROM customer_import_parts"
    row = sql.execute(left).fetchone()
    assert row is not None
    assert working.LEASE / 2 < row[0] <= working.LEASE


def test_nobody_folds_while_a_chunk_is_at_work_and_all_is_folded_at_the_end(
    app: Flask, admin: Caller, judging: Gate, pool: ThreadPoolExecutor, sql: Connection
) -> None:
    import_id = accepted(app, admin, lines([*names("crm", 40), DOUBTFUL[0]]))
    worker = pool.submit(carry_on, app, import_id)
    assert judging.reached.wait(PATIENCE)
    waiting = searching.changes(sql)
    with app.app_context():
        assert search.fold_all() == 0
    assert searching.changes(sql) == waiting > 0
    judging.opened.set()
    worker.result(PATIENCE)
    assert searching.changes(sql) == 0


@pytest.mark.parametrize("is_dry_run", [False, True])
def test_what_becomes_of_an_import_is_on_record(
    app: Flask, admin: Caller, sql: Connection, is_dry_run: bool
) -> None:
    content = lines([*names("crm", SMALL), "crm-1"])
    carry_on(app, accepted(app, admin, content, is_dry_run=is_dry_run))
    figures = {"processed": SMALL + 1, "created": SMALL, "rejected": 1}
    asked = {"lines": SMALL + 1, "is_dry_run": is_dry_run}
    assert sql.execute(EVENTS).fetchall() == [
        ("import.accepted", "user", UUID(admin.id), asked),
        ("import.completed", "worker", UUID(admin.id), figures),
    ]


def test_after_an_import_the_books_are_right(app: Flask, admin: Caller, sql: Connection) -> None:
    admin.make_debt(admin.make_customer(external_id="crm-1"), amount="10.00")
    carry_on(app, accepted(app, admin, lines([*names("crm", 50), *DOUBTFUL])))
    assert (differences(sql), searching.differences(sql)) == ([], [])
    books = app.test_cli_runner().invoke(args=["verify-books"])
    assert books.exit_code == 0, books.output
    listed = admin.get("/customers/?q=crm-4&page_size=100")
    assert listed.headers["X-Total-Count"] == "11"


def test_ids_are_never_alike_whatever_the_chunks_and_parts(app: Flask, admin: Caller) -> None:
    carry_on(app, accepted(app, admin, lines(names("crm", 200))))
    ids = "SELECT count(DISTINCT id), min(substr(id::text, 15, 1)) FROM customers"
    assert tuple(execute(app, ids)) == (200, "7")


def test_whoever_is_created_first_by_a_request_has_the_name(
    app: Flask, admin: Caller, judging: Gate, pool: ThreadPoolExecutor
) -> None:
    """The chunk is being judged when they come."""
    import_id = accepted(app, admin, lines(DOUBTFUL))
    worker = pool.submit(carry_on, app, import_id)
    assert judging.reached.wait(PATIENCE)
    for name in DOUBTFUL:
        assert admin.post("/customers/", {"external_id": name}).status_code == 201
    judging.opened.set()
    worker.result(PATIENCE)
    refused = [(at, f"{name},100.00", TAKEN) for at, name in enumerate(DOUBTFUL, 1)]
    assert outcome(app, import_id) == ("COMPLETED", SMALL, SMALL, 0, SMALL, refused)


def test_whoever_is_created_first_by_an_import_has_the_name(
    app: Flask, admin: Caller, written: Gate, pool: ThreadPoolExecutor, sql: Connection
) -> None:
    """The chunk is written, and not committed, when the request comes."""
    import_id = accepted(app, admin, lines(DOUBTFUL[:1]))
    worker = pool.submit(carry_on, app, import_id)
    assert written.reached.wait(PATIENCE)
    request = pool.submit(admin.post, "/customers/", {"external_id": DOUBTFUL[0]})
    assert wait_until(lambda: waits(sql), PATIENCE)
    written.opened.set()
    worker.result(PATIENCE)
    answer = request.result(PATIENCE)
    assert (answer.status_code, answer.json["code"]) == (409, "external-id-taken")
    assert outcome(app, import_id) == ("COMPLETED", 1, 1, 1, 0, [])


def create(admin: Caller, external_ids: list[str]) -> list[int]:
    return [admin.post("/customers/", {"external_id": name}).status_code for name in external_ids]


def test_of_an_import_and_requests_that_race_for_the_same_names_one_has_each(
    app: Flask, admin: Caller, in_parallel: Parallel
) -> None:
    for round_ in range(3):
        wanted = names(f"race-{round_}", 20)
        import_id = accepted(app, admin, lines(wanted))
        *_, first, second = in_parallel(
            *[partial(carry_on, app, import_id)] * 2,
            *(partial(create, admin, some) for some in (wanted, wanted[::-1])),
        )
        told = Counter(first + second)
        found = outcome(app, import_id)
        assert set(told) <= {201, 409}
        assert told[201] + found.created == 20
        assert found.created + found.rejected == found.processed == 20
        assert {reason for _, _, reason in found.refused} <= {TAKEN}
        assert {name for name, *_ in customers(app)} >= set(wanted)


def test_one_file_sent_twice_at_once_creates_each_customer_once(
    app: Flask, admin: Caller, officer: Caller, in_parallel: Parallel
) -> None:
    """In another order of lines, too, in which two that wait for each other never let go."""
    for round_ in range(3):
        wanted = names(f"twice-{round_}", 60)
        both = [
            accepted(app, caller, lines(order))
            for caller, order in ((admin, wanted), (officer, wanted[:: -1 if round_ else 1]))
        ]
        in_parallel(*(partial(carry_on, app, import_id) for import_id in both * 2))
        found = [outcome(app, import_id) for import_id in both]
        assert [each.processed for each in found] == [60, 60]
        assert sum(each.created for each in found) == sum(each.rejected for each in found) == 60
        refused = [value for each in found for _, value, _ in each.refused]
        assert sorted(refused) == sorted(f"{name},100.00" for name in wanted)


def test_one_file_sent_again_later_creates_nobody(app: Flask, admin: Caller) -> None:
    content = lines(names("crm", 10))
    first, second = (accepted(app, admin, content) for _ in range(2))
    for import_id in (first, second):
        carry_on(app, import_id)
    assert outcome(app, first)[1:5] == (10, 10, 10, 0)
    assert outcome(app, second)[1:5] == (10, 10, 0, 10)
    assert len(customers(app)) == 10


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_line_waits_for_whoever_is_deleting_its_customer_and_is_refused_either_way(
    app: Flask, admin: Caller, sql: Connection, writer: Connection, is_kept: bool
) -> None:
    """That a deleted customer's name is never given again is known only by then."""
    admin.make_customer(external_id="gone")
    import_id = accepted(app, admin, lines(["gone", "new"]))
    writer.execute("DELETE FROM customers WHERE external_id = 'gone'")
    with ThreadPoolExecutor(1) as pool:
        worker: Future[None] = pool.submit(carry_on, app, import_id)
        assert wait_until(lambda: waits(sql), PATIENCE)
        (writer.rollback if is_kept else writer.commit)()
        worker.result(PATIENCE)
    assert outcome(app, import_id) == ("COMPLETED", 2, 2, 1, 1, [(1, "gone,100.00", TAKEN)])
    assert [part[5] for part in parts(sql)] == [0, 0]
    assert [name for name, *_ in customers(app)] == (["gone", "new"] if is_kept else ["new"])


def test_customers_who_are_deleted_meanwhile_stay_deleted(
    app: Flask, admin: Caller, in_parallel: Parallel
) -> None:
    wanted = names("gone", 24)
    for name in wanted:
        admin.make_customer(external_id=name)

    def delete() -> set[int]:
        return {admin.delete(f"/customers/{name}").status_code for name in wanted}

    import_id = accepted(app, admin, lines(wanted))
    told, *_ = in_parallel(delete, *[partial(carry_on, app, import_id)] * 2)
    assert told == {204}
    assert outcome(app, import_id)[1:5] == (24, 24, 0, 24)
    assert customers(app) == []
