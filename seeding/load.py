"""Loading a large book: by COPY into bare tables, whose keys and indexes are then built anew.

All in one transaction: whoever looks meanwhile waits, and an interrupted load leaves nothing. The
triggers that judge each journal and keep the tallies rest meanwhile; all is judged, and counted, at
the end, at once.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import cast

import psycopg
from psycopg import sql
from tqdm import tqdm

from app.db import db, transaction
from seeding import book as lines
from seeding import ledger
from seeding.book import Book, LoanLines
from seeding.people import hire

LEDGER = ("accounts", "payments", "journal", "entries")
TABLES = ("customers", "loans", "loan_events", "fraud_flags", *LEDGER)
RESTING = (
    *(("journal", "balanced"), ("entries", "balanced"), ("loans", "booked")),
    *((table, "tally_insert") for table in ("customers", "loans", "payments")),
    *(("customers", "search_insert"), ("fraud_flags", "count_open_flags")),
)
PROCESSES = 2
AHEAD = 4
SETTINGS = (
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL maintenance_work_mem = '256MB'",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL synchronous_commit = on",
)
# Foreign keys first, for they lean on the primary keys; the rest is put back in reverse.
CONSTRAINTS = """
SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype IN ('f', 'p', 'u') AND (conrelid = ANY(%(tables)s::regclass[])
  OR confrelid = ANY(%(tables)s::regclass[]))
ORDER BY contype = 'f' DESC, conname
"""
INDEXES = """
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indrelid = ANY(%(tables)s::regclass[])
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype <> 'f')
ORDER BY 1
"""
# What the triggers ask of one journal or loan, asked of all.
UNBALANCED = """
SELECT journal.id FROM journal LEFT JOIN entries ON journal_id = journal.id GROUP BY journal.id
HAVING coalesce(sum(CASE direction WHEN 'debit' THEN amount ELSE -amount END), 1) <> 0
UNION ALL
SELECT loans.id FROM loans LEFT JOIN journal ON loan_id = loans.id
WHERE taken_at IS NOT NULL AND journal.id IS NULL LIMIT 1
"""
HOLDINGS = """
CREATE TEMPORARY TABLE holdings (
    journal_id uuid, customer_id uuid, at timestamptz, amount numeric(14, 2)
) ON COMMIT DROP
"""
# In the order of events, as the services book them.
ACCOUNTS = (
    """
    INSERT INTO entries (journal_id, book, customer_id, direction, amount, balance_after)
        SELECT journal_id, 'customer', customer_id,
               CASE WHEN amount > 0 THEN 'credit' ELSE 'debit' END, abs(amount),
               sum(amount) OVER (PARTITION BY customer_id ORDER BY at, journal_id
                                 ROWS UNBOUNDED PRECEDING)
        FROM holdings ORDER BY at, journal_id
    """,
    """
    INSERT INTO accounts (customer_id, balance)
        SELECT customer_id, sum(amount) FROM holdings GROUP BY customer_id ORDER BY customer_id
    """,
)


def load(book: Book) -> None:
    """Add the staff and the book. The tables must be empty: they are truncated."""
    with transaction():
        staff = [user.id.hex for user in hire(book.random("staff"), book.opened - lines.EARLY)]
        db.session.flush()
        driver = cast(psycopg.Connection, db.session.connection().connection.driver_connection)
        with driver.cursor() as cursor:
            _claim(cursor)
            rebuild = _strip(cursor)
            _copy_all(cursor, book, staff)
            for statement in tqdm([*ACCOUNTS, *rebuild], "accounts, keys, indexes", unit=""):
                cursor.execute(statement)
            _require_balance(cursor)


def _claim(cursor: psycopg.Cursor) -> None:
    """Shut everyone out of the tables, and make sure that there is nothing in them to lose."""
    for setting in SETTINGS:
        cursor.execute(setting)
    cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(_names(TABLES)))
    for table in TABLES:
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
        if cursor.fetchone() != (False,):
            raise SystemExit(f"The table {table} is not empty.")


def _strip(cursor: psycopg.Cursor) -> list[sql.SQL | sql.Composed]:
    """Take keys, indexes and triggers off; answers the statements that put them back."""
    tables = {"tables": list(TABLES)}
    constraints = cursor.execute(CONSTRAINTS, tables).fetchall()
    indexes = cursor.execute(INDEXES, tables).fetchall()
    for name, table, _ in constraints:
        drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
        cursor.execute(drop.format(sql.SQL(table), sql.Identifier(name)))
    for name, _ in indexes:
        cursor.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
    # What a transaction writes into a table it truncated may be frozen from the start.
    cursor.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(_names(TABLES)))
    for table, trigger in RESTING:
        cursor.execute(_turned("DISABLE", table, trigger))
    add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}")
    return [
        *(sql.SQL(definition) for _, definition in indexes),
        *(
            add.format(sql.SQL(table), sql.Identifier(name), sql.SQL(definition))
            for name, table, definition in reversed(constraints)
        ),
        *(_turned("ENABLE", table, trigger) for table, trigger in RESTING),
        sql.SQL("ANALYZE {}").format(_names(TABLES)),
        sql.SQL("SELECT recount_tallies()"),
        sql.SQL("SELECT recount_search_tallies()"),
        sql.SQL("ANALYZE tallies, search_tallies"),
    ]


def _turned(way: str, table: str, trigger: str) -> sql.Composed:
    change = sql.SQL("ALTER TABLE {} {} TRIGGER {}")
    return change.format(sql.Identifier(table), sql.SQL(way), sql.Identifier(trigger))


def _require_balance(cursor: psycopg.Cursor) -> None:
    unbalanced = cursor.execute(UNBALANCED).fetchone()
    if unbalanced:
        raise RuntimeError(f"The books do not balance at {unbalanced[0]}.")


def _copy_all(cursor: psycopg.Cursor, book: Book, staff: Sequence[str]) -> None:
    cursor.execute(HOLDINGS)
    debts: Counter[int] = Counter()
    with tqdm(total=book.loans + book.customers, unit=" rows", unit_scale=True) as bar:
        bar.set_description("loans")
        for written in _written(book, staff):
            _copy_loans(cursor, written)
            debts.update(written.debts)
            bar.update(len(written.loans))
        bar.set_description("customers")
        for numbers in lines.runs(book.customers):
            customers = lines.write_customers(book, staff, debts, numbers)
            _copy(cursor, "customers", lines.CUSTOMER_COLUMNS, customers)
            bar.update(len(customers))


def _copy_loans(cursor: psycopg.Cursor, written: LoanLines) -> None:
    _copy(cursor, "loans", lines.LOAN_COLUMNS, written.loans)
    _copy(cursor, "loan_events", lines.EVENT_COLUMNS, written.events)
    _copy(cursor, "fraud_flags", lines.FLAG_COLUMNS, written.flags)
    _copy(cursor, "payments", ledger.PAYMENT_COLUMNS, written.ledger.payments)
    _copy(cursor, "journal", ledger.JOURNAL_COLUMNS, written.ledger.journal)
    _copy(cursor, "entries", ledger.ENTRY_COLUMNS, written.ledger.entries)
    _copy(cursor, "holdings", ledger.HOLDING_COLUMNS, written.ledger.holdings)


def _copy(cursor: psycopg.Cursor, table: str, columns: str, rows: Iterable[str]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)")
    with cursor.copy(statement.format(sql.Identifier(table), sql.SQL(columns))) as copy:
        copy.write("".join(rows))


def _written(book: Book, staff: Sequence[str]) -> Iterator[LoanLines]:
    """The loans in order, written by other processes a little ahead when there are many."""
    runs = lines.runs(book.loans)
    write = partial(lines.write_loans, book, staff)
    if len(runs) <= PROCESSES:
        yield from map(write, runs)
        return
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        ahead: deque[Future[LoanLines]] = deque()
        for numbers in runs:
            ahead.append(pool.submit(write, numbers))
            if len(ahead) > AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _names(tables: Iterable[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, tables))
