"""Exports as a program reads them, and what it must find in them."""

import csv
import io
import json
from typing import Any

import psycopg
from flask import Flask
from werkzeug.test import TestResponse

from app.db import db
from app.services.exports import AT_ONCE

# Numbers in JSON, or exact ones in text, which a spreadsheet may take for what they are.
NUMBERS = {
    *("amount", "term_months", "income", "expenses", "risk_score", "outstanding"),
    *("credit_limit", "total_amount"),
}
RUN = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def read(answer: TestResponse) -> list[dict[str, str]]:
    text = answer.get_data().decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def cell(name: str, value: Any) -> str:
    """How a value of a record that a list shows stands in CSV."""
    if value is None:
        return ""
    if not isinstance(value, str):
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return written if isinstance(value, int | float) else defused(written)
    return value if name in NUMBERS else defused(value)


def defused(text: str) -> str:
    """With an apostrophe wherever a cell begins that would be run, however cells are parted."""
    return "".join(
        f"'{each}" if begins_what_is_run(text, at) else each for at, each in enumerate(text)
    )


def begins_what_is_run(text: str, at: int) -> bool:
    if at == 0:
        return text.startswith(RUN)
    return text[at - 1] in ";\t" and text[at:].lstrip('"').startswith(RUN)


def in_cells(record: dict[str, Any]) -> dict[str, str]:
    return {name: cell(name, value) for name, value in record.items()}


# Who reads an export, as PostgreSQL knows them, and for how long they have not.
READERS = """
SELECT pid, CASE state WHEN 'active' THEN 0 ELSE 1000 * extract(epoch FROM now() - state_change) END
FROM pg_stat_activity
WHERE datname = current_database() AND state <> 'idle' AND query LIKE 'FETCH %'
"""
PEOPLE = """
INSERT INTO customers (id, external_id, status, created_by, created_at, updated_at, version)
SELECT gen_random_uuid(), 'crowd ' || number, 'ACTIVE', gen_random_uuid(), now(), now(), 1
FROM generate_series(1, %s) number
"""
APPLICATIONS = """
WITH people AS (SELECT id, created_by, row_number() OVER () AS number FROM customers LIMIT 10)
INSERT INTO loans (id, customer_id, amount, term_months, purpose, income, expenses, risk_score,
    status, outstanding, created_by, created_at, updated_at, version)
SELECT gen_random_uuid(), people.id, nth, 12, 'a van', 1, 1, 0.1,
    CASE WHEN nth %% 1000 = 0 THEN 'REJECTED' ELSE 'PENDING' END,
    0, created_by, now() - nth * interval '1 hour', now(), 1
FROM generate_series(1, %s) nth JOIN people ON people.number = nth %% 10 + 1
"""


def crowd(sql: psycopg.Connection[Any], *, customers: int, loans: int) -> None:
    """More than anybody would apply for; the amount of the nth loan is n, one in 1,000 rejected."""
    sql.execute(PEOPLE, [customers])
    sql.execute(APPLICATIONS, [loans])
    sql.execute("VACUUM ANALYZE customers, loans")


def lose_the_reader(sql: psycopg.Connection[Any]) -> None:
    """Have PostgreSQL end the one connection on which an export is read."""
    ((reader, _),) = sql.execute(READERS).fetchall()
    assert sql.execute("SELECT pg_terminate_backend(%s, 10000)", [reader]).fetchone() == (True,)


def is_given_back(app: Flask) -> bool:
    """Whether no connection is lent, and there is a place for as many as ever."""
    with app.app_context():
        lent: int = db.engine.pool.checkedout()  # type: ignore[attr-defined]
    places = app.extensions["exports"]
    taken = sum(places.acquire(blocking=False) for _ in range(AT_ONCE + 1))
    for _ in range(taken):
        places.release()
    return (lent, taken) == (0, AT_ONCE)
