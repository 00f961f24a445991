"""All that is stored: read, put back as it was, and compared row by row."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from app.db import Base

Rows = Mapping[str, list[str]]

# Generations only ever grow: what a cache holds must not come to be of this moment again. Tallies
# follow from the other tables, and where they stand depends on when they were folded.
DERIVED = (
    *("generations", "tallies", "tally_changes", "tally_folds"),
    *("search_tallies", "search_changes"),
)
TABLES = [table.name for table in Base.metadata.sorted_tables if table.name not in DERIVED]
MARK = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT.+|\\x[0-9a-f]+")
NEW = "new"
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database()
"""


class Records:
    """Every row of the service, as the JSON that PostgreSQL makes of it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self) -> Rows:
        """The rows of this moment, by their table."""
        parts = [
            sql.SQL("SELECT {}, to_jsonb(row)::text FROM {} AS row").format(
                sql.Literal(table), sql.Identifier(table)
            )
            for table in TABLES
        ]
        found: dict[str, list[str]] = {table: [] for table in TABLES}
        for table, row in self._connection.execute(sql.SQL(" UNION ALL ").join(parts)):
            found[table].append(row)
        return {table: sorted(rows) for table, rows in found.items()}

    def put_back(self, rows: Rows) -> None:
        """Make `rows` all there is."""
        tables = sql.SQL(", ").join(map(sql.Identifier, TABLES))
        with self._connection.transaction(), self._connection.pipeline():
            self._connection.execute(sql.SQL("TRUNCATE {}").format(tables))
            for table, kept in rows.items():
                if kept:
                    self._connection.execute(_insert(table), [f"[{','.join(kept)}]"])
            # Flags that are put back count once more.
            self._connection.execute("SELECT recount_open_flags()")

    def sessions(self, name: str) -> int:
        """How many sessions an application of that name has with this database."""
        row = self._connection.execute(SESSIONS, [name]).fetchone()
        return int(row[0]) if row else 0


def written(rows: Rows, since: Rows) -> Rows:
    """The rows as any other run from `since` would have written them too."""
    known = {value for kept in since.values() for row in kept for value in _marks(_read(row))}

    def told(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {name: told(part, name) for name, part in sorted(value.items())}
        return NEW if _is_mark(name, value) and value not in known else value

    return {
        table: sorted(json.dumps(told(_read(row))) for row in kept) for table, kept in rows.items()
    }


def _read(row: str) -> Any:
    return json.loads(row, parse_float=str)


def _marks(value: Any, name: str = "") -> Iterator[Any]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _marks(part, name)
    elif _is_mark(name, value):
        yield value


def _is_mark(name: str, value: Any) -> bool:
    """Whether it is an id, a moment, or encrypted: other whenever it is written anew."""
    return name == "id" or (isinstance(value, str) and MARK.fullmatch(value) is not None)


def _insert(table: str) -> sql.Composed:
    return sql.SQL(
        "INSERT INTO {0} OVERRIDING SYSTEM VALUE"
        " SELECT * FROM jsonb_populate_recordset(NULL::{0}, %s)"
    ).format(sql.Identifier(table))
