"""Inserting records past the ORM: any number of them, of any models, by one statement.

The ORM takes longer to find out what to send, one statement after another, than the driver and
PostgreSQL take to carry it out. SQLAlchemy still writes the statement, once for each combination of
models; its values go to the driver.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

from sqlalchemy import Table, bindparam, inspect
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine.interfaces import ExecutionContext
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.sql.schema import (
    CallableColumnDefault,
    DefaultGenerator,
    ScalarElementColumnDefault,
)

# In one statement, which has 65,535 parameters at most.
ROWS_AT_MOST = 100
# More than come to be in use; to write one takes as long as to send it ten times.
STATEMENTS_KEPT = 500
_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_UNSET = object()

Model = type[DeclarativeBase]
Statement = tuple[str, dict[str, object]]


class New(NamedTuple):
    """A record to insert; with `unless_there` it is passed over where its key is taken."""

    record: DeclarativeBase
    unless_there: bool = False


class _Parameter(NamedTuple):
    """What is sent of one attribute: under which name, as what by default, in which form."""

    attribute: str
    name: str
    default: Callable[[], object]
    form: Callable[[Any], object] | None


def statements(news: Sequence[New]) -> Iterator[Statement]:
    """What inserts the records, with the values. Unset attributes are set to their defaults.

    A record may refer to any that comes before it, and to any in the same statement.
    """
    for start in range(0, len(news), ROWS_AT_MOST):
        yield _statement(news[start : start + ROWS_AT_MOST])


def _statement(news: Sequence[New]) -> Statement:
    sql, parameters = _written(tuple((type(new.record), new.unless_there) for new in news))
    values: dict[str, object] = {}
    for new, of_record in zip(news, parameters, strict=True):
        held = vars(new.record)
        for attribute, name, default, form in of_record:
            value = held.get(attribute, _UNSET)
            if value is _UNSET:
                value = default()
                held[attribute] = value
            values[name] = form(value) if form else value
    return sql, values


@lru_cache(STATEMENTS_KEPT)
def _written(rows: tuple[tuple[Model, bool], ...]) -> tuple[str, list[list[_Parameter]]]:
    """The statement that inserts these rows, and the parameters of each."""
    inserted: dict[tuple[Model, bool], list[int]] = {}
    for number, row in enumerate(rows):
        inserted.setdefault(row, []).append(number)
    *others, last = [_insert(*row, numbers) for row, numbers in inserted.items()]
    beside = [each.cte(f"beside_{number}") for number, each in enumerate(others)]
    sql = str(last.add_cte(*beside).compile(dialect=_DIALECT))
    return sql, [_parameters(model, number) for number, (model, _) in enumerate(rows)]


def _insert(model: Model, unless_there: bool, numbers: Sequence[int]) -> Insert:
    table, columns = cast(Table, model.__table__), _columns(model)
    rows = [
        {name: bindparam(f"{name}_{number}", type_=table.c[name].type) for name in columns.values()}
        for number in numbers
    ]
    written = insert(table).values(rows)
    return written.on_conflict_do_nothing() if unless_there else written


def _parameters(model: Model, number: int) -> list[_Parameter]:
    table = cast(Table, model.__table__)
    return [
        _Parameter(
            attribute=attribute,
            name=f"{name}_{number}",
            default=_by_default(table.c[name].default),
            form=table.c[name].type.dialect_impl(_DIALECT).bind_processor(_DIALECT),
        )
        for attribute, name in _columns(model).items()
    ]


def _columns(model: Model) -> dict[str, str]:
    """By attribute, the names of the columns that PostgreSQL does not fill by itself."""
    return {
        attribute: column.name
        for attribute, column in inspect(model).columns.items()
        if column.server_default is None and column.identity is None
    }


def _by_default(default: DefaultGenerator | None) -> Callable[[], object]:
    match default:
        case None:
            return lambda: None
        case ScalarElementColumnDefault(arg=value):
            return lambda: value
        case CallableColumnDefault(arg=make):
            return lambda: make(cast(ExecutionContext, None))  # which none of ours looks at
    raise TypeError(f"{default!r} is no value that Python could know")
