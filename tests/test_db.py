"""Transactions: one a service call, nothing written outside, refusals by constraint name."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from psycopg.errors import DivisionByZero, ReadOnlySqlTransaction, UniqueViolation
from sqlalchemy import Integer, bindparam, delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from app.db import (
    Base,
    after_commit,
    after_each_commit,
    append,
    db,
    flush,
    lent,
    snapshot,
    transaction,
    whole,
)
from app.errors import Contended, CustomerNotFound, DatabaseAway, DatabaseBusy, EmailTaken
from app.insertion import ROWS_AT_MOST
from app.models import Customer, FlagNotice, FraudFlag, Loan, LoginFailures, User
from app.models.base import now
from app.reading import Reading
from app.refusals import _refusals
from tests.factories import Caller, Lender

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def failures(digest: bytes) -> LoginFailures:
    return LoginFailures(email_digest=digest, failures=1, window_ends_at=now())


def make_loan() -> Loan:
    """An application, yet to be stored, of a customer who is."""
    customer = Customer(external_id="C-1", created_by=uuid7())
    with transaction():
        db.session.add(customer)
    amounts = {"amount": Decimal("100.00"), "income": Decimal("50.00"), "expenses": Decimal("9.00")}
    return Loan(
        **amounts,
        customer_id=customer.id,
        term_months=12,
        purpose="a bicycle",
        risk_score=Decimal("0.10"),
        created_by=customer.created_by,
    )


def stored() -> set[bytes]:
    return set(db.session.scalars(select(LoginFailures.email_digest)))


def seen_elsewhere() -> set[bytes]:
    with db.engine.connect() as elsewhere:
        return set(elsewhere.scalars(select(LoginFailures.email_digest)))


@pytest.mark.usefixtures("context")
def test_a_transaction_commits_at_its_end_and_rolls_back_on_any_exception() -> None:
    with transaction():
        db.session.add(failures(b"kept"))

    def interrupted() -> None:
        with transaction():
            db.session.add(failures(b"lost"))
            db.session.flush()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stored() == {b"kept"}


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("is_kept", [True, False])
@pytest.mark.parametrize("is_joined", [True, False])
def test_a_transaction_gives_its_connection_back_whether_or_not_the_session_joined(
    is_kept: bool, is_joined: bool
) -> None:
    with suppress(CustomerNotFound), transaction():
        joined = lent()
        assert joined is not None
        if is_joined:
            assert db.session.connection().connection is joined
        append(failures(b"appended"))
        if not is_kept:
            flush()
            raise CustomerNotFound
    assert lent() is None
    assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert stored() == ({b"appended"} if is_kept else set())


@pytest.mark.usefixtures("context")
def test_a_transaction_refuses_to_nest() -> None:
    with transaction(), pytest.raises(RuntimeError, match="nest"), transaction():
        pass


@pytest.mark.usefixtures("context")
def test_a_flush_outside_a_transaction_is_refused() -> None:
    db.session.add(failures(b"stray"))
    with pytest.raises(RuntimeError, match="inside transaction"):
        db.session.flush()
    db.session.rollback()
    assert stored() == set()


@pytest.mark.usefixtures("context")
def test_a_statement_that_writes_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError, match="inside transaction"):
        db.session.execute(update(User).values(nickname="stray"))


@pytest.mark.usefixtures("context")
def test_what_is_appended_is_inserted_at_the_end_whatever_it_is() -> None:
    flagged = make_loan()
    with transaction():
        append(flagged, FraudFlag(loan_id=flagged.id, rule="a", reason="b", severity="low"))
        append(FlagNotice(loan_id=flagged.id), failures(b"appended"))
        assert stored() == set()
    loan = db.session.get_one(Loan, flagged.id)
    flag = db.session.scalars(select(FraudFlag)).one()
    assert (stored(), flag.loan_id, flag.evidence) == ({b"appended"}, loan.id, {})
    shown = ("version", "outstanding", "status", "created_at", "external_id")
    assert [getattr(flagged, name) for name in shown] == [getattr(loan, name) for name in shown]


@pytest.mark.usefixtures("context")
def test_what_is_appended_is_lost_with_its_transaction() -> None:
    def interrupted() -> None:
        with transaction():
            append(failures(b"lost"))
            flush()
            raise KeyboardInterrupt

    with whole():
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        with transaction():
            append(failures(b"kept"))
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen_elsewhere() == {b"kept"}


@pytest.mark.usefixtures("context")
def test_what_is_appended_can_be_read_once_it_is_flushed_and_is_inserted_once() -> None:
    with transaction():
        append(failures(b"early"))
        flush()
        assert stored() == {b"early"}
        append(failures(b"late"))
    assert stored() == {b"early", b"late"}


@pytest.mark.usefixtures("context")
def test_what_is_appended_unless_it_is_there_leaves_what_is() -> None:
    with transaction():
        append(failures(b"there"))
    with transaction():
        append(
            LoginFailures(email_digest=b"there", failures=2, window_ends_at=now()),
            unless_there=True,
        )
        append(failures(b"beside"), unless_there=True)
    assert set(db.session.scalars(select(LoginFailures.failures))) == {1}
    assert stored() == {b"there", b"beside"}


@pytest.mark.usefixtures("context")
def test_a_key_that_is_appended_twice_is_refused() -> None:
    with pytest.raises(UniqueViolation), transaction():
        append(failures(b"twice"), failures(b"twice"))
    assert stored() == set()


@pytest.mark.usefixtures("context")
def test_more_is_appended_than_goes_into_one_statement() -> None:
    with transaction():
        append(*(failures(b"%d" % number) for number in range(2 * ROWS_AT_MOST + 1)))
    assert len(stored()) == 2 * ROWS_AT_MOST + 1


@pytest.mark.usefixtures("context")
def test_nothing_is_appended_outside_a_transaction() -> None:
    with pytest.raises(RuntimeError, match="inside transaction"):
        append(failures(b"stray"))
    with pytest.raises(RuntimeError, match="inside transaction"):
        flush()


@pytest.mark.usefixtures("context")
def test_what_follows_a_commit_runs_after_it_and_in_order() -> None:
    seen: list[Any] = []
    with transaction():
        after_commit(lambda: seen.append(stored()))
        after_commit(lambda: seen.append("second"))
        db.session.add(failures(b"kept"))
        assert seen == []
    assert seen == [{b"kept"}, "second"]


@pytest.mark.usefixtures("context")
def test_nothing_follows_a_transaction_that_failed() -> None:
    seen: list[str] = []

    def failing() -> None:
        with transaction():
            after_commit(lambda: seen.append("ran"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert seen == []


@pytest.mark.usefixtures("context")
def test_a_transaction_forgets_what_the_session_had_read_before(lender: Lender) -> None:
    user = lender.user("officer").user
    assert user is not None
    copy = db.session.get_one(User, user.id)
    with db.engine.connect() as elsewhere:
        elsewhere.execute(update(User).values(nickname="new"))
    with transaction():
        assert copy.nickname == "new"
    with db.engine.connect() as elsewhere:
        elsewhere.execute(update(User).values(nickname="newer"))
    with transaction():
        assert copy.nickname == "newer"


@pytest.mark.usefixtures("context")
def test_an_unknown_constraint_stays_a_bug(lender: Lender) -> None:
    with pytest.raises(IntegrityError), transaction():
        db.session.add_all([failures(b"twice"), failures(b"twice")])


def test_every_refusal_names_a_constraint_that_exists() -> None:
    known = {
        str(named.name)
        for table in Base.metadata.tables.values()
        for named in (*table.constraints, *table.indexes)
    }
    assert set(_refusals) <= known


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("sqlstate", "error"),
    [
        ("40001", Contended),
        ("40P01", Contended),
        ("55P03", DatabaseBusy),
        ("57014", DatabaseBusy),
        ("57P01", DatabaseAway),
        ("53100", DatabaseAway),  # no room left on the disk
        ("53300", DatabaseAway),
        ("25006", DatabaseAway),
        ("25P03", DatabaseAway),
    ],
)
def test_what_postgresql_reports_becomes_an_error_of_the_house(
    sqlstate: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        db.session.execute(
            text(f"DO $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{sqlstate}'; END $$")
        )


@pytest.mark.usefixtures("context")
def test_a_lock_or_a_statement_that_takes_too_long_is_given_up() -> None:
    limits = [
        db.session.scalar(text(f"SHOW {name}")) for name in ("lock_timeout", "statement_timeout")
    ]
    assert limits == ["3s", "10s"]


def test_a_victim_of_contention_is_run_again_three_times_at_most(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[int] = []
    for victims in (2, 3):
        runs: Iterator[int] = iter(range(10))
        monkeypatch.setattr("app.services.customers.find_customer", _contended(victims, runs))
        outcomes.append(admin.delete("/customers/whoever").status_code)
        outcomes.append(next(runs))
    assert outcomes == [404, 3, 503, 3]


def _contended(victims: int, runs: Iterator[int]) -> Callable[..., Customer]:
    def find(*_: Any, **__: Any) -> Customer:
        if next(runs) < victims:
            raise Contended
        raise CustomerNotFound

    return find


@pytest.mark.usefixtures("context")
def test_a_violation_is_translated_by_the_constraints_name(lender: Lender) -> None:
    first = lender.user("officer", email="Same@example.com").user
    assert first is not None
    with pytest.raises(EmailTaken), transaction():
        db.session.add(User(email="sAME@example.com", password_hash="-", role="officer"))


@pytest.mark.usefixtures("context")
def test_a_hook_that_fails_undoes_nothing_and_stops_no_other() -> None:
    seen: list[str] = []
    with transaction():
        after_commit(lambda: 1 / 0)
        after_commit(lambda: seen.append("second"))
        db.session.add(failures(b"kept"))
    assert (stored(), seen) == ({b"kept"}, ["second"])


def test_what_follows_each_commit_follows_no_rollback_and_harms_nobody(
    make_app: Callable[..., Flask],
) -> None:
    seen: list[set[bytes]] = []
    app = make_app()
    after_each_commit(app, lambda: seen.append(seen_elsewhere()))
    after_each_commit(app, lambda: 1 / 0)
    with app.app_context():
        with transaction():
            db.session.add(failures(b"kept"))
        with suppress(ZeroDivisionError), transaction():
            db.session.add(failures(b"gone"))
            raise ZeroDivisionError
        with whole(), transaction():
            db.session.add(failures(b"as a whole"))
    assert seen == [{b"kept"}, {b"kept", b"as a whole"}]


@pytest.mark.usefixtures("context")
def test_a_snapshot_does_not_move_with_what_is_written_meanwhile() -> None:
    with snapshot() as view:
        before = view.execute(select(func.count()).select_from(LoginFailures)).scalar_one()
        with transaction():
            db.session.add(failures(b"meanwhile"))
        assert view.execute(select(func.count()).select_from(LoginFailures)).scalar_one() == before
    assert stored() == {b"meanwhile"}


def test_a_snapshot_is_read_for_longer_than_a_statement_may_take(
    make_app: Callable[..., Flask],
) -> None:
    slow = text("SELECT 1 FROM pg_sleep(0.1)")
    with make_app(DATABASE_STATEMENT_TIMEOUT_MS="20").app_context():
        with snapshot() as view:
            assert view.execute(slow).scalar_one() == 1
        with pytest.raises(DatabaseBusy):
            db.session.execute(slow)


@pytest.mark.usefixtures("context")
def test_a_snapshot_cannot_write() -> None:
    with snapshot() as view:
        view.execution_options(stream_results=False, yield_per=None)
        with pytest.raises(DatabaseAway) as refused:
            view.execute(delete(LoginFailures))
        assert isinstance(refused.value.__cause__, ReadOnlySqlTransaction)


@pytest.mark.usefixtures("context")
def test_nothing_can_follow_a_commit_that_nobody_makes() -> None:
    with pytest.raises(RuntimeError, match="inside transaction"):
        after_commit(list)


@pytest.mark.usefixtures("context")
def test_a_whole_commits_its_steps_and_what_is_kept_with_them_at_once() -> None:
    with whole():
        for digest in (b"first", b"second"):
            with transaction():
                db.session.add(failures(digest))
        append(failures(b"beside"))
        assert (len(stored()), seen_elsewhere()) == (2, set())
    assert seen_elsewhere() == {b"first", b"second", b"beside"}


@pytest.mark.usefixtures("context")
def test_a_whole_that_fails_undoes_the_steps_that_were_done() -> None:
    def interrupted() -> None:
        with whole():
            with transaction():
                db.session.add(failures(b"lost"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen_elsewhere() == stored() == set()


@pytest.mark.usefixtures("context")
def test_a_step_that_fails_is_undone_alone() -> None:
    with whole():
        with transaction():
            db.session.add(failures(b"before"))
        with pytest.raises(IntegrityError), transaction():
            db.session.add_all([failures(b"lost"), failures(b"before")])
        with transaction():
            db.session.add(failures(b"after"))
    assert seen_elsewhere() == {b"before", b"after"}


@pytest.mark.usefixtures("context")
def test_what_follows_a_step_waits_for_the_commit_of_the_whole() -> None:
    seen: list[Any] = []
    with whole():
        with transaction():
            after_commit(lambda: seen.append(seen_elsewhere()))
            db.session.add(failures(b"kept"))
        with transaction():
            after_commit(lambda: seen.append("second"))
        assert seen == []
    assert seen == [{b"kept"}, "second"]


@pytest.mark.usefixtures("context")
def test_nothing_follows_a_step_that_failed() -> None:
    seen: list[str] = []

    def failing() -> None:
        with transaction():
            after_commit(lambda: seen.append("ran"))
            raise ZeroDivisionError

    with whole(), pytest.raises(ZeroDivisionError):
        failing()
    assert seen == []


@pytest.mark.usefixtures("context")
def test_nothing_follows_a_whole_that_failed() -> None:
    seen: list[str] = []

    def failing() -> None:
        with whole():
            with transaction():
                after_commit(lambda: seen.append("ran"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with transaction():
        pass
    assert seen == []


@pytest.mark.usefixtures("context")
def test_a_step_forgets_what_the_session_had_read_before(lender: Lender) -> None:
    user = lender.user("officer").user
    assert user is not None
    with whole():
        copy = db.session.get_one(User, user.id)
        with db.engine.connect() as elsewhere:
            elsewhere.execute(update(User).values(nickname="new"))
        with transaction():
            assert copy.nickname == "new"


@pytest.mark.usefixtures("context")
def test_a_whole_goes_neither_into_a_transaction_nor_into_another() -> None:
    with transaction(), pytest.raises(RuntimeError, match="goes around"), whole():
        pass
    with whole(), pytest.raises(RuntimeError, match="goes around"), whole():
        pass


@pytest.mark.usefixtures("context")
def test_a_step_refuses_to_nest() -> None:
    with whole(), transaction(), pytest.raises(RuntimeError, match="nest"), transaction():
        pass


@pytest.mark.usefixtures("context")
def test_a_flush_between_the_steps_is_refused() -> None:
    with whole():
        db.session.add(failures(b"stray"))
        with pytest.raises(RuntimeError, match="inside transaction"):
            db.session.flush()
        db.session.expunge_all()
    assert seen_elsewhere() == set()


@pytest.mark.usefixtures("context")
def test_what_is_left_to_flush_between_the_steps_undoes_the_whole() -> None:
    def strayed() -> None:
        with whole():
            with transaction():
                db.session.add(failures(b"a step"))
            db.session.add(failures(b"stray"))

    with pytest.raises(RuntimeError, match="inside transaction"):
        strayed()
    assert seen_elsewhere() == set()


@pytest.mark.usefixtures("context")
def test_a_statement_that_writes_between_the_steps_is_refused() -> None:
    with whole(), pytest.raises(RuntimeError, match="inside transaction"):
        db.session.execute(update(User).values(nickname="stray"))


@pytest.mark.usefixtures("context")
def test_what_was_left_to_flush_is_no_part_of_the_next_step() -> None:
    def step() -> None:
        with transaction():
            pass

    with whole():
        db.session.add(failures(b"stray"))
        with pytest.raises(RuntimeError, match="inside transaction"):
            step()
        db.session.expunge_all()
    assert seen_elsewhere() == set()


@pytest.mark.usefixtures("context")
def test_what_somebody_left_open_is_rolled_back_before_another_gets_the_connection() -> None:
    with closing(db.engine.raw_connection()) as left:
        driver = left.driver_connection
        driver.execute("BEGIN")
        driver.execute("CREATE TEMPORARY TABLE left_open ()")
    with closing(db.engine.raw_connection()) as lent:
        assert lent.driver_connection is driver
        asked = driver.execute("SELECT to_regclass('left_open')")
        assert asked.fetchone() == (None,)


@pytest.mark.usefixtures("context")
def test_what_had_failed_is_not_told_to_be_committed() -> None:
    failing = Reading(select((1 / bindparam("divisor", type_=Integer())).label("quotient")))

    def committing() -> None:
        with transaction():
            append(failures(b"lost"))
            flush()
            with suppress(DivisionByZero):
                failing.rows({"divisor": 0})

    with pytest.raises(RuntimeError, match="ROLLBACK"):
        committing()
    assert stored() == set()


@pytest.mark.usefixtures("context")
def test_a_connection_that_was_given_up_is_told_as_a_database_that_is_away() -> None:
    with suppress(DatabaseAway), transaction():
        for _ in range(2):
            with pytest.raises(DatabaseAway):
                Reading(select(func.pg_terminate_backend(func.pg_backend_pid()))).rows({})
    assert stored() == set()
