"""Reading past the ORM: statements compiled once, sent as they are, answered as plain rows.

For what every request asks. SQLAlchemy's own way of executing a statement takes several times as
long as the driver and PostgreSQL together; it still writes the statement and keeps the connections.
"""

from collections import namedtuple
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, literal_column
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import visitors

from app.db import borrowed, lent
from app.driver import Values, send

_DIALECT = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class Reading:
    """A SELECT whose parameters are named by `bindparam`; its rows have its columns' names.

    Values reach the driver as they are given.
    """

    __slots__ = ("_fixed", "_row", "sql")

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        settled: Any = visitors.replacement_traverse(statement, {}, _settled)
        compiled = settled.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._row = _made_of(statement.selected_columns.keys())

    def rows(self, values: Values, *, is_prepared: bool = True) -> list[Any]:
        """Every row, as a named tuple; `values` may hold more than the statement's parameters.

        What is not `is_prepared` is planned anew for its values. Raises DatabaseAway, DatabaseBusy.
        """
        asked: dict[str, object] = {**self._fixed, **values}
        prepare = None if is_prepared else False
        if (of_session := lent()) is not None:
            found = send(of_session, self.sql, asked, prepare=prepare).fetchall()
        else:
            found = self._found_alone(asked, prepare)
        return list(map(self._row, found))

    def row(self, **values: object) -> Any | None:
        """The one row there may be."""
        found = self.rows(values)
        return found[0] if found else None

    def _found_alone(self, asked: Values, prepare: bool | None) -> list[tuple[Any, ...]]:
        """On a connection of its own, for this one statement."""
        with closing(borrowed()) as lent:
            return send(lent, self.sql, asked, prepare=prepare).fetchall()


def _made_of(names: Sequence[str]) -> Callable[[tuple[Any, ...]], Any]:
    row: Any = namedtuple("Row", names)  # type: ignore[misc]
    make: Callable[[tuple[Any, ...]], Any] = row._make
    return make


def _settled(element: Any, **_: Any) -> Any:
    """A value that never changes is written out, for PostgreSQL to plan by; others may be missing.

    Where a plan for any values costs no more than one for these, PostgreSQL keeps it.
    """
    if not isinstance(element, BindParameter) or element.expanding:
        return None
    if element.value is None:
        return bindparam(element.key, type_=element.type, required=False)
    written = element.type.literal_processor(_DIALECT)
    return literal_column(written(element.value), element.type) if written else None
