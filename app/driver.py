"""Past SQLAlchemy: what the driver of a lent connection is told, and what its errors mean."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus
from sqlalchemy import PoolProxiedConnection

from app.errors import DatabaseAway
from app.refusals import translated

Values = Mapping[str, object]
_CURSOR = "the cursor of this connection"


def send(
    lent: PoolProxiedConnection,
    statement: str,
    values: Values | None = None,
    *,
    prepare: bool | None = None,
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Have the driver send a statement as it is; what it answers is to be read before the next.

    Raises what PostgreSQL's errors mean, DatabaseAway and DatabaseBusy among it.
    """
    try:
        return _cursor(lent).execute(statement, values, prepare=prepare)
    except psycopg.Error as cause:
        _refuse(lent, cause)
        raise


def command(lent: PoolProxiedConnection, words: bytes) -> None:
    """Have libpq send what has no values and answers no rows; raises as `send` does.

    For what goes around every transaction: a cursor takes longer than PostgreSQL. Raises
    RuntimeError for a COMMIT of what had failed before, which PostgreSQL takes for a ROLLBACK.
    """
    driver = _driver(lent)
    result = driver.pgconn.exec_(words)
    if result.status != ExecStatus.COMMAND_OK:
        cause = error_from_result(result)
        if driver.closed:  # of which the result has no code
            cause = psycopg.OperationalError(str(cause))
        _refuse(lent, cause)
        raise cause
    if not words.startswith(result.command_status or b"?"):
        raise RuntimeError(f"{words!r} was answered by {result.command_status!r}")


def copy_in(lent: PoolProxiedConnection, statement: str, rows: Iterable[Sequence[object]]) -> None:
    """Have PostgreSQL take rows in by a COPY; raises as `send` does."""
    try:
        with _driver(lent).cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as cause:
        _refuse(lent, cause)
        raise


def _cursor(lent: PoolProxiedConnection) -> psycopg.Cursor[tuple[Any, ...]]:
    """One for all statements of a connection: to make it takes half as long as to send one."""
    driver = _driver(lent)
    kept: psycopg.Cursor[tuple[Any, ...]] | None = lent.info.get(_CURSOR)
    if kept is None:
        kept = lent.info[_CURSOR] = driver.cursor()
    return kept


def _driver(lent: PoolProxiedConnection) -> psycopg.Connection:
    """Raises DatabaseAway where it was given up because it broke."""
    if not lent.is_valid:
        raise DatabaseAway
    return cast(psycopg.Connection, lent.driver_connection)


def _refuse(lent: PoolProxiedConnection, cause: psycopg.Error) -> None:
    """Raise what an error means, unless it is a bug; a connection that is lost is given up."""
    if _driver(lent).closed:  # and so, it may be, are all in the pool
        cast(Any, lent)._pool._invalidate(lent, cause)  # as SQLAlchemy does
    if refusal := translated(cause):
        raise refusal from cause
