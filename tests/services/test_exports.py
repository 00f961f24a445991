"""Exports, opened: one view of everything, a connection and a place, and both given back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.config import Settings
from app.db import snapshot
from app.errors import (
    AdminOnly,
    Contended,
    DatabaseAway,
    ExportsBusy,
    ImportNotFound,
    StaffOnly,
)
from app.models import Role
from app.reading import Reading
from app.services import audit, exports, replica
from app.services.actor import CONSOLE, Actor
from app.services.exports import AT_ONCE, IDLE_AT_MOST, Export
from app.services.records import LOANS
from tests.exported import crowd, is_given_back, lose_the_reader
from tests.factories import Caller
from tests.importing import accepted, carry_on

Connection = psycopg.Connection[Any]
MAKING = (exports.of_customers, exports.of_loans, exports.of_payments)
FOR_ADMINS = (
    exports.of_users,
    exports.of_api_keys,
    exports.of_audit,
    exports.of_honeypot_visits,
)


@pytest.fixture
def context(app: Flask, clean: None) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)


def loans(**filters: Any) -> Export:
    return exports.of_loans(CONSOLE, **filters)


@pytest.mark.usefixtures("context", "one_by_one")
def test_what_is_written_meanwhile_does_not_show(admin: Caller) -> None:
    made = [admin.make_customer()["id"] for _ in range(4)]
    with exports.of_customers(CONSOLE).opened() as batches:
        found = [*next(batches)]
        admin.make_customer()
        assert admin.patch(f"/customers/{made[1]}", {"first_name": "Grace"}).status_code == 200
        assert admin.delete(f"/customers/{made[0]}").status_code == 204
        found += [row for batch in batches for row in batch]
    assert [(str(row.id), row.first_name) for row in found] == [(id_, "Ada") for id_ in made[::-1]]


@pytest.mark.usefixtures("context", "one_by_one")
def test_the_refused_lines_of_an_import_are_its_own_in_the_files_order(
    app: Flask, officer: Caller
) -> None:
    ids = [accepted(app, officer, f"c-{nth},1\n" + "bad,\nworse,\n" * nth) for nth in (1, 2)]
    for import_id in ids:
        carry_on(app, import_id)
    exported = exports.of_refused_lines(CONSOLE, ids[1])
    assert exported.count() == 4
    with exported.opened() as batches:
        assert [row.line for batch in batches for row in batch] == [2, 3, 4, 5]
    with pytest.raises(StaffOnly):
        exports.of_refused_lines(Actor(id=CONSOLE.id, role=Role.APPLICANT), ids[1])
    with pytest.raises(ImportNotFound):
        exports.of_refused_lines(CONSOLE, UUID(int=0))


@pytest.mark.usefixtures("context", "one_by_one")
def test_one_is_read_while_another_is_and_a_third_is_refused(app: Flask, admin: Caller) -> None:
    made = [admin.make_loan()["id"] for _ in range(3)]
    with ExitStack() as stack:
        both = [stack.enter_context(loans().opened()) for _ in range(AT_ONCE)]
        with pytest.raises(ExportsBusy), loans().opened():
            pass
        turns = zip(*both, strict=True)
        found = [[str(row.id) for (row,) in turn] for turn in turns]
    assert found == [[id_] * AT_ONCE for id_ in made[::-1]]
    assert is_given_back(app)


@pytest.mark.usefixtures("context", "one_by_one")
def test_what_is_not_read_to_its_end_is_given_back(app: Flask, admin: Caller) -> None:
    for _ in range(3):
        admin.make_loan()
    for taken in (0, 1, 3):
        with suppress(ZeroDivisionError), loans().opened() as batches:
            for _ in range(taken):
                next(batches)
            raise ZeroDivisionError
        assert is_given_back(app)


@pytest.mark.usefixtures("context", "one_by_one")
def test_a_connection_that_is_lost_is_told_and_the_place_given_back(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    for _ in range(3):
        admin.make_loan()
    with loans().opened() as batches:
        next(batches)
        lose_the_reader(sql)
        with pytest.raises(DatabaseAway):
            next(batches)
    assert is_given_back(app)
    with loans().opened() as batches:
        assert len(list(batches)) == 3


@pytest.mark.usefixtures("context")
def test_what_cannot_be_put_on_record_is_not_exported(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contended(*_: Any, **__: Any) -> None:
        raise Contended

    monkeypatch.setattr(audit, "record", contended)
    with pytest.raises(Contended), loans().opened():
        pass
    assert is_given_back(app)


@pytest.mark.usefixtures("context")
def test_whoever_takes_long_is_waited_for_but_not_for_ever(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    views: list[Any] = []

    @contextmanager
    def noted() -> Iterator[Any]:
        with snapshot() as view:
            views.append(view)
            yield view

    monkeypatch.setattr(replica, "snapshot", noted)
    with loans().opened():
        shown = text("SELECT current_setting('idle_in_transaction_session_timeout')")
        assert views[0].execute(shown).scalar_one() == IDLE_AT_MOST
    with noted() as others:
        assert others.execute(shown).scalar_one() == "0"


@pytest.mark.parametrize(("size", "places"), [("1", 1), ("4", 1), ("8", 2), ("200", 2)])
def test_exports_leave_most_of_the_pool_to_others(
    make_app: Callable[..., Flask], size: str, places: int
) -> None:
    app = make_app(DATABASE_POOL_SIZE=size)
    taken = sum(app.extensions["exports"].acquire(blocking=False) for _ in range(9))
    assert taken == places


def test_an_export_needs_one_connection_at_a_time(
    make_app: Callable[..., Flask], admin: Caller
) -> None:
    """Or those that begin at once would wait for each other."""
    admin.make_loan()
    lone = Caller(make_app(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="0.1"), admin.headers)
    assert len(lone.get("/loans/export").data.splitlines()) == 2


@pytest.mark.parametrize("make", MAKING)
def test_staff_alone_export(make: Callable[[Actor], Export]) -> None:
    with pytest.raises(StaffOnly):
        make(Actor(id=CONSOLE.id, role=Role.APPLICANT))
    for role in (Role.OFFICER, Role.ADMIN):
        make(Actor(id=CONSOLE.id, role=role))


@pytest.mark.parametrize("make", FOR_ADMINS)
def test_what_is_about_the_service_itself_is_for_admins(make: Callable[[Actor], Export]) -> None:
    for role in (Role.APPLICANT, Role.OFFICER):
        with pytest.raises(AdminOnly):
            make(Actor(id=CONSOLE.id, role=role))
    make(CONSOLE)


@pytest.mark.usefixtures("context")
def test_a_count_is_what_is_exported(admin: Caller) -> None:
    for number in range(5):
        loan = admin.make_loan(amount=f"{number + 1}00.00")
        if number % 2:
            admin.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    for filters, number in (
        ({}, 5),
        ({"flagged": True}, 2),
        ({"status": ["PENDING", "FLAGGED"]}, 5),
        ({"min_amount": 300}, 3),
        ({"customer": "nobody"}, 0),
    ):
        asked = loans(**filters)
        with asked.opened() as batches:
            assert sum(map(len, batches)) == asked.count() == number, filters


@pytest.mark.usefixtures("context")
def test_what_few_look_at_is_counted_just_as_well(admin: Caller, officer: Caller) -> None:
    for asked, number in (
        (exports.of_users(CONSOLE), 2),
        (exports.of_users(CONSOLE, role=Role.OFFICER), 1),
        (exports.of_api_keys(CONSOLE), 0),
    ):
        with asked.opened() as batches:
            assert sum(map(len, batches)) == asked.count() == number, asked.filters


@pytest.fixture
def plan(sql: Connection, settings: Settings) -> Callable[..., str]:
    """How PostgreSQL goes about an export."""
    crowd(sql, customers=1_000, loans=20_000)
    sql.execute("SET random_page_cost = 1.1")  # as the service's connections have it

    def explained(**filters: Any) -> str:
        statement, values = LOANS.whole(loans(**filters).asked)
        declared = f"EXPLAIN DECLARE exported CURSOR FOR {Reading(statement).sql}"
        return "\n".join(line for (line,) in sql.execute(declared, values).fetchall())

    return explained


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"customer": "crowd 7"}, "ix_loans_customer_id_created_at_id"),
        ({"status": ["REJECTED"]}, "ix_loans_status_"),
        ({"status": ["REJECTED", "WITHDRAWN"]}, "ix_loans_status_"),
        ({"flagged": True}, "ix_loans_flagged"),
        ({"min_amount": 19_990}, "ix_loans_"),
    ],
)
def test_few_are_found_by_an_index(
    plan: Callable[..., str], filters: dict[str, Any], index: str
) -> None:
    explained = plan(**filters)
    assert index in explained
    assert "Seq Scan on loans" not in explained


@pytest.mark.usefixtures("context")
def test_all_are_walked_along_and_none_is_sorted_first(plan: Callable[..., str]) -> None:
    explained = plan()
    assert "Index Scan Backward using ix_loans_created_at_id on loans" in explained
    assert "Sort" not in explained
