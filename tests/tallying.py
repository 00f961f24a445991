"""What the tallies say, and a count of everything, beside each other: by PostgreSQL alone."""

from collections.abc import Iterable
from typing import Any

import psycopg

from tests.factories import Caller

KEY = "subject, span, starts_on, kind, is_flagged"
# In one statement, hence of one instant. Flags are counted where they are, not where they are kept.
DIFFERENCES = f"""
WITH records (subject, day, kind, is_flagged, number, risk, amount, outstanding) AS (
    SELECT 'loans', (created_at AT TIME ZONE 'UTC')::date, status, EXISTS (
               SELECT FROM fraud_flags LEFT JOIN flag_clearances ON flag_id = fraud_flags.id
               WHERE loan_id = loans.id AND flag_id IS NULL
           ), 1, risk_score, amount, outstanding FROM loans
    UNION ALL
    SELECT 'customers', (created_at AT TIME ZONE 'UTC')::date, status, false, 1, 0, 0, 0
    FROM customers
    UNION ALL
    SELECT 'payments', (created_at AT TIME ZONE 'UTC')::date, status, false, 1, 0, 0, 0
    FROM payments
    UNION ALL
    SELECT 'audit', (at AT TIME ZONE 'UTC')::date, action, false, 1, 0, 0, 0 FROM audit_events
), written AS (
    SELECT true AS is_counted, * FROM records
    UNION ALL
    SELECT false, subject, day, kind, is_flagged, number, risk, amount, outstanding
    FROM tally_changes
), lines AS (
    SELECT is_counted, subject, span, starts_on, kind, is_flagged, number, risk, amount, outstanding
    FROM written CROSS JOIN LATERAL (VALUES
        ('day', day), ('month', day - extract(day FROM day)::integer + 1), ('ever', '0001-01-01')
    ) AS spans (span, starts_on)
    UNION ALL
    SELECT false, * FROM tallies
)
SELECT {KEY}, is_counted, sum(number), sum(risk), sum(amount), sum(outstanding)
FROM lines GROUP BY {KEY}, is_counted
"""  # noqa: S608 (a test's own text)


def differences(connection: psycopg.Connection[Any]) -> list[Any]:
    """Every tally, of any span, that is not what a count of the records comes to."""
    return differing(connection.execute(DIFFERENCES))


def differing(rows: Iterable[Any]) -> list[Any]:
    """The same, of what DIFFERENCES answers."""
    counted: dict[Any, Any] = {}
    tallied: dict[Any, Any] = {}
    for *key, is_counted, number, risk, amount, outstanding in rows:
        (counted if is_counted else tallied)[*key] = (number, risk, amount, outstanding)
    nothing = (0, 0, 0, 0)
    return [
        (key, tallied.get(key, nothing), counted.get(key, nothing))
        for key in sorted({*counted, *tallied})
        if tallied.get(key, nothing) != counted.get(key, nothing)
    ]


def changes(connection: psycopg.Connection[Any]) -> int:
    """How many wait to be folded."""
    row = connection.execute("SELECT count(*) FROM tally_changes").fetchone()
    return int(row[0]) if row else 0


def fold(connection: psycopg.Connection[Any]) -> int:
    """How many tallies changed."""
    row = connection.execute("SELECT fold_tallies()").fetchone()
    return int(row[0]) if row else 0


def make_book(admin: Caller) -> dict[str, Any]:
    """Some of everything; answers a pending loan without a flag."""
    customer = admin.make_customer()
    admin.make_debt(customer, amount="100.00")
    admin.pay(customer["id"], "40.00")
    admin.pay(customer["id"], "4000.00")
    for answers in ((), ("clear-flags",)):
        flagged = admin.make_loan(customer)
        for deed in ("flag", *answers):
            done = admin.post(f"/loans/{flagged['id']}/{deed}", {"reason": "odd"})
            assert done.status_code == 200
    assert admin.delete(f"/customers/{admin.make_customer()['id']}").status_code == 204
    return admin.make_loan()
