"""Customers to be searched, written past the service, and a search that any reader can follow."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

NOBODY = UUID(int=0)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
INSERT = """
INSERT INTO customers (id, first_name, last_name, email, phone, external_id, status, created_at,
                       created_by, version, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 1, now())
"""
# So many, made every ten minutes; each 50th is inactive, and the first have an id of their own.
CROWD = """
INSERT INTO customers (id, first_name, last_name, email, phone, external_id, status, created_at,
                       created_by, version, updated_at)
SELECT gen_random_uuid(), 'Ada', 'No' || number, 'ada.' || number || '@house.example.com',
       '+1555' || 1000000 + number, CASE WHEN number <= 400 THEN 'first-' || number END,
       CASE mod(number, 50) WHEN 0 THEN 'INACTIVE' ELSE 'ACTIVE' END,
       timestamptz '2026-01-01Z' + number * interval '10 minutes', gen_random_uuid(), 1, now()
FROM generate_series(1, %s) AS number
"""
# Letter by letter, beside the tallies and their changes.
DIFFERENCES = r"""
WITH texts (month, status, number, kept, text) AS (
    SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date, status, 1, 0,
           lower(concat_ws(E'\x1f', concat_ws(' ', first_name, last_name), email, phone,
                           external_id))
    FROM customers
    UNION ALL
    SELECT month, status, 0, number, text FROM search_changes
), grams AS (
    SELECT gram, month, status, number, kept FROM texts, LATERAL (
        SELECT '' AS gram UNION SELECT substr(text, at, size)
        FROM generate_series(1, 3) AS size, generate_series(1, length(text) - size + 1) AS at
    ) AS each WHERE gram NOT LIKE E'%\x1f%'
    UNION ALL
    SELECT gram, month, status, 0, number FROM search_tallies
)
SELECT gram, month, status, sum(number) AS there, sum(kept) AS tallied
FROM grams GROUP BY gram, month, status HAVING sum(number) <> sum(kept)
"""


class Person(NamedTuple):
    """A customer; the later numbers are the newer ids."""

    number: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    external_id: str | None = None
    status: str = "ACTIVE"
    created_at: datetime = NEW_YEAR
    created_by: UUID = NOBODY

    def has(self, q: str) -> bool:
        """In any of what is searched, in any case."""
        name = " ".join(filter(None, (self.first_name, self.last_name)))
        texts = (name, self.email or "", self.phone or "", self.external_id or "")
        return any(lowered(q) in lowered(text) for text in texts)


def lowered(text: str) -> str:
    """Letter for letter, as PostgreSQL does it, whatever stands beside each."""
    return "".join(letter.lower()[0] for letter in text)


def add(sql: psycopg.Connection[Any], people: Iterable[Person]) -> None:
    with sql.cursor() as cursor:
        cursor.executemany(
            INSERT,
            [(UUID(int=number), *others, at, by) for number, *others, at, by in people],
        )


def newest_first(people: Iterable[Person], q: str, status: str | None = None) -> list[UUID]:
    """The ids of those who match."""
    matching = [each for each in people if each.has(q) and status in (None, each.status)]
    matching.sort(key=lambda each: (each.created_at, each.number), reverse=True)
    return [UUID(int=each.number) for each in matching]


def differences(connection: psycopg.Connection[Any]) -> Sequence[Any]:
    """All letters that more or fewer are tallied of than there are, at one instant."""
    return connection.execute(DIFFERENCES).fetchall()


def changes(connection: psycopg.Connection[Any]) -> int:
    """How many wait to be folded."""
    return next(numbers(connection, "SELECT count(*) FROM search_changes"))


def fold(connection: psycopg.Connection[Any], few: int = 1, many: int = 5_000) -> int:
    """How many changes were folded."""
    return next(numbers(connection, "SELECT fold_search_changes(%s, %s)", few, many))


def numbers(connection: psycopg.Connection[Any], statement: str, *values: Any) -> Iterator[int]:
    for (number,) in connection.execute(statement, values):
        yield int(number)
