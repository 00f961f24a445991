"""What the requests refer to: ids, days and texts of a book, at random from all of it."""

from collections.abc import Mapping, Sequence

import psycopg

from bench import pgbench

Ids = Mapping[str, Sequence[str]]

QUERIES = {
    "loans": "SELECT id::text FROM loans ORDER BY random() LIMIT 20000",
    "named_loans": (
        "SELECT external_id FROM loans WHERE external_id IS NOT NULL ORDER BY random() LIMIT 20000"
    ),
    "customers": "SELECT id::text FROM customers ORDER BY random() LIMIT 20000",
    "borrowers": (
        # Without a recent application, with which the fraud rules would compare a run's; as many
        # as 100,000 customers have, so that they come back as often in a larger book.
        "SELECT id::text FROM customers c WHERE status = 'ACTIVE' "
        "AND (credit_limit IS NULL OR credit_limit = 900000000000) "
        "AND NOT EXISTS (SELECT FROM loans WHERE customer_id = c.id "
        "AND created_at > now() - interval '90 days') ORDER BY random() LIMIT 25000"
    ),
    "debtors": pgbench.DEBTORS.replace("SELECT customer_id", "SELECT customer_id::text"),
    "days": "SELECT created_at::date::text FROM loans ORDER BY random() LIMIT 20000",
    "texts": (
        "SELECT text FROM (SELECT * FROM customers ORDER BY random() LIMIT 20000) AS found, "
        "unnest(ARRAY[first_name, last_name, email, phone]) AS text WHERE length(text) >= 3"
    ),
    "users": "SELECT email FROM users WHERE email LIKE 'bench.%'",
}
# A line of credit that no run uses up: each application is held against it.
GRANT = (
    "UPDATE customers SET credit_limit = 900000000000 "
    "WHERE id = ANY(%s::uuid[]) AND credit_limit IS NULL"
)
# What former runs applied for would count as recent, until hardly a borrower was left.
AGE_FORMER_RUNS = (
    "UPDATE loans SET created_at = created_at - interval '1 year' "
    "WHERE created_at > now() - interval '90 days' "
    "AND created_by IN (SELECT id FROM users WHERE email LIKE 'bench.%')"
)
# Reads once what the runs will read, or the larger book would be compared by its disk.
READ_ONCE = {
    "loans": "SELECT count(*) FROM loans WHERE id = ANY(%s::uuid[])",
    "named_loans": "SELECT count(*) FROM loans WHERE external_id = ANY(%s::text[])",
    "customers": (
        "SELECT count(*), sum(outstanding) FROM customers LEFT JOIN loans "
        "ON customer_id = customers.id WHERE customers.id = ANY(%s::uuid[])"
    ),
}


def find_ids(url: str) -> Ids:
    """Put the book in order after former runs, and read what will be asked of it."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(AGE_FORMER_RUNS)
        connection.execute("ANALYZE")
        ids = {
            kind: [row[0] for row in connection.execute(query)] for kind, query in QUERIES.items()
        }
        connection.execute(GRANT, (ids["borrowers"],))
        # Or PostgreSQL would do so by itself, on a core of the measurement's.
        connection.execute("VACUUM ANALYZE")
        for kind, query in READ_ONCE.items():
            connection.execute(query, (ids[kind],))
        return ids
