"""Whatever is written, kept or rolled back, in any order: the tallies are what there is.

TALLY_EXAMPLES makes it longer.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import Caller
from tests.tallying import differences, fold, make_book

Connection = psycopg.Connection[Any]
EXAMPLES = int(os.environ.get("TALLY_EXAMPLES", "60"))  # the promise was tried for 1,000
# On one row of those there are, or on many; days and months of two years, and what comes by itself.
WRITES = (
    """
    INSERT INTO loans SELECT (jsonb_populate_record(loans, jsonb_build_object(
        'id', gen_random_uuid(), 'open_flags', 0, 'risk_score', mod(%(seed)s, 100) / 100.0,
        'created_at', created_at - mod(%(seed)s * number, 700) * interval '1 day'
    ))).* FROM loans, generate_series(1, %(many)s) AS number
    WHERE taken_at IS NULL ORDER BY id LIMIT %(many)s
    """,
    "UPDATE loans SET status = (ARRAY['PENDING', 'REJECTED', 'FLAGGED'])[1 + mod(%(seed)s, 3)] "
    "WHERE taken_at IS NULL AND mod(hashtext(id::text), 3) = mod(%(seed)s, 3)",
    "UPDATE loans SET amount = amount + %(seed)s / 100.0 WHERE mod(hashtext(id::text), 2) = 0",
    "UPDATE loans SET created_at = created_at - %(seed)s * interval '7 hours' "
    "WHERE id = (SELECT min(id::text)::uuid FROM loans)",
    "UPDATE loans SET purpose = 'another' || %(seed)s",
    "DELETE FROM loans WHERE mod(hashtext(id::text), 5) = mod(%(seed)s, 5) "
    "AND id NOT IN (SELECT loan_id FROM loan_events UNION ALL SELECT loan_id FROM fraud_flags)",
    """
    INSERT INTO fraud_flags (id, loan_id, rule, reason, severity, evidence, created_at)
    SELECT gen_random_uuid(), id, 'manual', 'odd', 'low', '{}', now() FROM loans
    WHERE taken_at IS NULL ORDER BY hashtext(id::text || %(seed)s) LIMIT %(many)s
    """,
    """
    INSERT INTO flag_clearances SELECT id, now(), NULL, 'fine' FROM fraud_flags
    WHERE NOT EXISTS (SELECT FROM flag_clearances WHERE flag_id = id)
    ORDER BY hashtext(id::text || %(seed)s) LIMIT %(many)s
    """,
    """
    INSERT INTO customers SELECT (jsonb_populate_record(customers, jsonb_build_object(
        'id', gen_random_uuid(), 'email', gen_random_uuid() || '@example.com', 'phone', NULL
    ))).* FROM customers, generate_series(1, %(many)s) ORDER BY id LIMIT %(many)s
    """,
    "UPDATE customers SET status = CASE status WHEN 'ACTIVE' THEN 'INACTIVE' ELSE 'ACTIVE' END "
    "WHERE mod(hashtext(id::text), 3) = mod(%(seed)s, 3)",
    "DELETE FROM customers WHERE mod(hashtext(id::text), 2) = mod(%(seed)s, 2) AND id NOT IN "
    "(SELECT customer_id FROM loans UNION ALL SELECT customer_id FROM payments)",
    """
    INSERT INTO audit_events (id, at, actor_kind, action, subject, subject_id, details)
    SELECT gen_random_uuid(), now() - mod(%(seed)s * number, 90) * interval '1 day', 'user',
           'loan.' || mod(number, 3), 'loan', gen_random_uuid(), '{}'
    FROM generate_series(1, %(many)s) AS number
    """,
    """
    INSERT INTO payments
        (id, customer_id, total_amount, status, source, created_by, created_at)
    SELECT gen_random_uuid(), id, 1, 'REJECTED', 'external', id,
           now() - mod(%(seed)s, 90) * interval '1 day'
    FROM customers ORDER BY id LIMIT %(many)s
    """,
    "TRUNCATE audit_events",
    "TRUNCATE flag_clearances",
)
# Or each life would have to carry what all those before have left.
BEFOREHAND = """
TRUNCATE payments, fraud_flags, audit_events CASCADE;
DELETE FROM loans WHERE id NOT IN (SELECT loan_id FROM loan_events);
DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM loans)
"""
Write = tuple[str, int, int]
Batch = tuple[list[Write], str]
writes = st.tuples(st.sampled_from(WRITES), st.integers(1, 5_000), st.sampled_from((1, 1, 30)))
# What becomes of what is written together: a list of them is a transaction.
batches = st.tuples(st.lists(writes, min_size=1, max_size=4), st.sampled_from(("kept", "gone")))
transactions = st.tuples(
    st.lists(batches, min_size=1, max_size=3), st.sampled_from(("kept", "kept", "gone", "folded"))
)


class _Gone(Exception):
    """So that what was written is rolled back."""


@contextmanager
def kept_or_not(connection: Connection, fate: str) -> Iterator[None]:
    """A transaction, or a savepoint within one."""
    try:
        with connection.transaction():
            yield
            if fate == "gone":
                raise _Gone
    except _Gone:
        pass


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lives=st.lists(transactions, min_size=1, max_size=5))
def _test_lives(sql: Connection, lives: list[tuple[list[Batch], str]]) -> None:
    sql.execute(BEFOREHAND)
    for batches, fate in lives:
        with kept_or_not(sql, fate):
            for written, end in batches:
                with kept_or_not(sql, end):
                    for statement, seed, many in written:
                        sql.execute(statement, {"seed": seed, "many": many})
                assert differences(sql) == []
        if fate == "folded":
            fold(sql)
        assert differences(sql) == []


def test_whatever_is_written_is_tallied(admin: Caller, connect: Callable[..., Connection]) -> None:
    make_book(admin)
    sql = connect()
    _test_lives(sql)
    fold(sql)
    assert differences(sql) == []
