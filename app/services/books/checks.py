"""What a check of the books is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, String, cast, func

Differing = Select[*tuple[Any, ...]]
Statement = Callable[[], Differing]


@dataclass(frozen=True, slots=True)
class Difference:
    """A record that is not as the books have it; by which check."""

    check: str
    record: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.record}: {self.found}, {self.expected}"


@dataclass(frozen=True, slots=True)
class Check:
    """A statement that selects the id, `found` and `expected` of what differs, and nothing else.

    `reads` is the table it goes through; `found` and `expected` are phrases around the values.
    """

    name: str
    reads: str
    record: str
    found: str
    expected: str
    statement: Statement

    def difference(self, row: Row[Any]) -> Difference:
        return Difference(
            check=self.name,
            record=f"{self.record} {row.id}".strip(),
            found=self.found.format(_told(row.found)),
            expected=self.expected.format(_told(row.expected)),
        )


def check(
    name: str, *, reads: str, record: str, found: str, expected: str
) -> Callable[[Statement], Check]:
    """Make a check of the statement that a function gives."""
    return partial(Check, name, reads, record, found, expected)


def words(*parts: Any) -> ColumnElement[str]:
    """Columns and words in a row, without what is NULL."""
    # A bare string has no type that PostgreSQL would know.
    typed = (cast(part, String) if isinstance(part, str) else part for part in parts)
    return func.concat_ws(" ", *typed)


def _told(value: object) -> object:
    return "none" if value is None else value
