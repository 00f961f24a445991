"""The books as PostgreSQL holds them, read on snapshots by SQL that shares nothing with app."""

from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import IsolationLevel

# The entries, with what each adds to what is owed, which is what it takes from what is held.
LINES = """
    WITH lines AS (
        SELECT *, CASE direction WHEN 'debit' THEN amount ELSE -amount END AS owed,
                  CASE direction WHEN 'credit' THEN amount ELSE -amount END AS held
        FROM entries)
    """
# Each names a promise and selects what breaks it.
BREACHES = {
    "debits are credits": "SELECT sum(owed) FROM lines HAVING sum(owed) <> 0",
    "every journal balances": """
        SELECT journal.id, sum(owed) FROM journal LEFT JOIN lines ON journal_id = journal.id
        GROUP BY journal.id HAVING sum(owed) IS DISTINCT FROM 0""",
    "what is owed and was paid is what was lent": """
        SELECT * FROM (
            SELECT (SELECT coalesce(sum(outstanding), 0) FROM loans) AS owing,
                   (SELECT coalesce(sum(amount), 0) FROM loans WHERE taken_at IS NOT NULL) AS lent,
                   coalesce(sum(total_amount) FILTER (WHERE status = 'COMPLETED'), 0) AS paid,
                   coalesce(sum(total_amount) FILTER (WHERE status = 'REVERSED'), 0) AS undone
            FROM payments) AS totals
        WHERE owing + paid - undone <> lent""",
    "an account holds what was booked on it, and is never negative": """
        SELECT * FROM accounts FULL JOIN (
            SELECT customer_id, sum(held) AS booked, min(balance_after) AS least
            FROM lines WHERE book = 'customer' GROUP BY customer_id) AS sums USING (customer_id)
        WHERE balance IS DISTINCT FROM booked OR balance < 0 OR least < 0""",
    "a loan owes what was booked on it": """
        SELECT id, amount, outstanding, booked FROM loans FULL JOIN (
            SELECT loan_id, sum(owed) AS booked, max(balance_after) AS most
            FROM lines WHERE book = 'receivable' GROUP BY loan_id) AS sums ON loan_id = id
        WHERE outstanding IS DISTINCT FROM coalesce(booked, 0) OR most > amount
            OR outstanding NOT BETWEEN 0 AND amount""",
    "statuses fit": """
        SELECT id, status, outstanding, taken_at FROM loans
        WHERE (status = 'ACTIVE') <> (outstanding > 0)
            OR (status IN ('ACTIVE', 'PAID')) <> (taken_at IS NOT NULL)""",
    "a loan is disbursed once, as a whole": """
        SELECT loans.id FROM loans
        LEFT JOIN journal ON journal.loan_id = loans.id AND kind = 'disbursement'
        LEFT JOIN lines ON journal_id = journal.id
        GROUP BY loans.id
        HAVING coalesce(sum(lines.amount), 0)
            <> CASE WHEN taken_at IS NULL THEN 0 ELSE 2 * loans.amount END""",
    "a payment's details are its total": """
        SELECT payments.id, status, total_amount, sum(held) FROM payments
        LEFT JOIN journal ON payment_id = payments.id
        LEFT JOIN lines ON journal_id = journal.id AND book = 'receivable'
        GROUP BY payments.id
        HAVING coalesce(sum(held), 0)
            <> CASE status WHEN 'COMPLETED' THEN 1 WHEN 'REVERSED' THEN -1 ELSE 0 END * total_amount
        """,
    "each balance follows from the one before": """
        SELECT * FROM (
            SELECT id, balance_after, sum(CASE book WHEN 'customer' THEN held ELSE owed END)
                OVER (PARTITION BY book, loan_id, customer_id ORDER BY id) AS summed
            FROM lines WHERE book <> 'cash') AS running
        WHERE balance_after <> summed""",
}
NEGATIVE = """
    SELECT count(*) FROM (
        SELECT balance FROM accounts UNION ALL
        SELECT balance_after FROM entries WHERE book = 'customer') AS balances
    WHERE balance < 0"""


def breaches(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Whatever breaks a promise, as one instant shows it; nothing in good books."""
    with connection.transaction():
        found = {
            name: connection.execute(LINES + query).fetchmany(5) for name, query in BREACHES.items()
        }
    return {name: rows for name, rows in found.items() if rows}


def opened(url: str) -> psycopg.Connection[Any]:
    """A connection whose every transaction is one unchanging view."""
    connection = psycopg.connect(url, autocommit=True)
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return connection


class Auditor:
    """Reads the books over and over, in a thread, until the block ends; its last look is after it.

    It rests thrice as long as each look took, for its own work is not what is tried.
    """

    REST = 3
    LEAST_REST = 0.05

    def __init__(self, url: str) -> None:
        self.snapshots = self.negative = 0
        self.breaches = Counter[str]()
        self.examples: dict[str, list[Any]] = {}
        self._url = url
        self._over = Event()
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None]

    def __enter__(self) -> Self:
        self._work = self._pool.submit(self._audit)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._pool.shutdown()
        self._work.result()

    def _audit(self) -> None:
        with opened(self._url) as connection:
            is_last = False
            while not is_last:
                is_last = self._over.is_set()
                began = monotonic()
                self._look(connection)
                self._over.wait(max(self.LEAST_REST, self.REST * (monotonic() - began)))

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        self.snapshots += 1
        self.negative += connection.execute(NEGATIVE).fetchone()[0]  # type: ignore[index]
        for name, rows in breaches(connection).items():
            self.breaches[name] += 1
            self.examples.setdefault(name, rows)
