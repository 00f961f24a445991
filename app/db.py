"""The database: one session a request, reads as they come, writes only inside `transaction()`.

Connections autocommit, so that a read costs one round trip and holds no snapshot open. The session
refuses to flush, update or delete outside `transaction()`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import psycopg
from flask import Flask, current_app
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Connection, DateTime, MetaData, Numeric, PoolProxiedConnection, text
from sqlalchemy.orm import DeclarativeBase, Session

from app import config, connections, driver
from app.insertion import New, statements
from app.refusals import translated
from app.sessions import ELSEWHERE, LENT, OPEN, WHOLE, JoiningSession

log = logging.getLogger(__name__)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
MONEY = Numeric(14, 2)

ROWS_AT_ONCE = 2_000

# To the driver the connection stays in autocommit. It commits what was begun all the same.
BEGIN, COMMIT = b"BEGIN ISOLATION LEVEL READ COMMITTED", b"COMMIT"

Hook = Callable[[], object]


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {Decimal: MONEY, datetime: DateTime(timezone=True)}


_EACH = "after each commit"
REPLICA = "replica"


db = SQLAlchemy(session_options={"expire_on_commit": False, "class_": JoiningSession})


@dataclass(frozen=True, slots=True)
class _Work:
    """The transaction's connection, and what is yet to be done: after its commit, and before."""

    lent: PoolProxiedConnection
    hooks: list[Hook]
    new: list[New]


@contextmanager
def transaction() -> Iterator[None]:
    """Open the one transaction of a service call: commit at its end, roll back on any exception.

    Inside `whole()` it is a step of that: kept or rolled back by itself, committed with the whole.
    Whatever the session had read before is forgotten, so no stale copy is judged. Raises Contended
    when PostgreSQL picked it as a victim (worth another run), RuntimeError when nested.
    """
    session = db.session()
    if OPEN in session.info:
        raise RuntimeError("transaction() does not nest: call a private helper instead")
    around: _Work | None = session.info.get(WHOLE)
    with _begun(session) if around is None else _step(session) as lent:
        work = session.info[OPEN] = _Work(lent, [], [])
        try:
            yield
            flush()
        finally:
            del session.info[OPEN]
    if around is None:
        _run_all(work.hooks)
    else:
        around.hooks.extend(work.hooks)


@contextmanager
def whole() -> Iterator[None]:
    """One transaction around service calls and what is appended beside them, to be kept with them.

    It commits at its end and rolls back on any exception, the steps within it too.
    """
    session = db.session()
    if OPEN in session.info or WHOLE in session.info:
        raise RuntimeError("whole() goes around transaction(), once")
    with _begun(session) as lent:
        work = session.info[WHOLE] = _Work(lent, [], [])
        try:
            yield
            flush()
        finally:
            del session.info[WHOLE]
    _run_all(work.hooks)


def after_each_commit(app: Flask, hook: Hook) -> None:
    """Run `hook` after every transaction of the app's that was committed, whatever it was about.

    In the thread that committed, before it goes on: it must be quick.
    """
    app.extensions.setdefault(_EACH, []).append(hook)


def append(*records: Base, unless_there: bool = False) -> None:
    """Have records inserted at the end of the transaction at work, by one statement for all.

    For what stays as it is once it is written, and is not read before: the session does not know
    it. With `unless_there` those are passed over whose key is taken.
    """
    _at_work().new.extend(New(record, unless_there) for record in records)


def flush() -> None:
    """Write now what the transaction at work has pending, for it is going to read that."""
    session, work = db.session(), _at_work()
    session.flush()
    for statement, values in statements(work.new):
        driver.send(work.lent, statement, values)
    work.new.clear()


def lent() -> PoolProxiedConnection | None:
    """The connection that the session has; None where it has none."""
    if not db.session.registry.has():
        return None
    session = db.session()
    work: _Work | None = session.info.get(OPEN, session.info.get(WHOLE))
    if work is not None:
        return work.lent
    return session.connection().connection if session.in_transaction() else None


def borrowed() -> PoolProxiedConnection:
    """A connection of the pool's, to be closed. Raises DatabaseAway, DatabaseBusy."""
    try:
        return db.engine.raw_connection()
    except psycopg.Error as cause:
        raise translated(cause) or cause from cause


def copy_in(statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Have PostgreSQL take rows in by a COPY, part of the transaction at work.

    Raises what PostgreSQL's errors mean.
    """
    driver.copy_in(_at_work().lent, statement, rows)


def after_commit(hook: Hook) -> None:
    """Run `hook` once the transaction at work is committed; never if it is rolled back.

    The deed is done by then: a hook that fails is logged and changes nothing of the answer.
    """
    _at_work().hooks.append(hook)


@contextmanager
def on_replica() -> Iterator[PoolProxiedConnection]:
    """Have all that is read in the block come from the replica, on this one connection of it.

    Raises DatabaseAway, RuntimeError within a transaction or where one begins in the block.
    """
    session = db.session()
    if OPEN in session.info or WHOLE in session.info:
        raise RuntimeError("what is written is on the primary alone")
    session.rollback()  # which gives back the primary's connection, if it has one
    session.info[ELSEWHERE] = db.engines[REPLICA]
    try:
        yield session.connection().connection
    finally:
        session.rollback()
        del session.info[ELSEWHERE]


@contextmanager
def snapshot(on: Connection | None = None) -> Iterator[Connection]:
    """One unchanging view of everything, to read from row by row; it cannot write.

    Of the primary, unless it is to be `on` another's connection. No statement of it times out.
    """
    with db.engine.connect() if on is None else nullcontext(on) as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        yield connection.execution_options(yield_per=ROWS_AT_ONCE)


def _at_work() -> _Work:
    info = db.session().info
    work: _Work | None = info.get(OPEN, info.get(WHOLE))
    if work is None:
        raise RuntimeError("this belongs inside transaction(), as all that writes")
    return work


@contextmanager
def _begun(session: Session) -> Iterator[PoolProxiedConnection]:
    if ELSEWHERE in session.info:
        raise RuntimeError("what writes does not belong on the replica")
    session.rollback()
    session.expire_all()
    with closing(borrowed()) as lent:
        session.info[LENT] = lent
        try:
            driver.command(lent, BEGIN)
            settings = config.current()
            if settings.database_behind_pgbouncer:
                session.connection().execute(connections.set_limits(settings))
            yield lent
            driver.command(lent, COMMIT)
            if session.in_transaction():
                session.commit()  # which finds nothing left to do
        except BaseException:
            session.rollback()
            raise
        finally:
            del session.info[LENT]
    _run_all(current_app.extensions.get(_EACH, ()))


@contextmanager
def _step(session: Session) -> Iterator[PoolProxiedConnection]:
    session.expire_all()
    with session.begin_nested():
        yield session.connection().connection  # for whose sake there is a savepoint from now on


def _run_all(hooks: Iterable[Hook]) -> None:
    for hook in hooks:
        try:
            hook()
        except Exception:
            log.exception("a hook after the commit failed")
