"""What PostgreSQL itself refuses of money, whoever writes and however."""

from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import errors

from tests.factories import Caller

NEW = {"id": "gen_random_uuid()"}


@pytest.fixture
def debt(admin: Caller) -> dict[str, Any]:
    """A loan partly repaid, from outside and from the account; one payment is reversed."""
    loan = admin.make_debt(amount="100.00")
    borrower = loan["customer_id"]
    admin.pay(borrower, "10.00", source="account", external_id="from the account")
    undone = admin.pay(borrower, "10.00")
    admin.post(f"/payments/{undone['id']}/reverse", {"reason": "a slip"})
    deposit = {"amount": "5.00", "external_id": "into the account"}
    admin.post(f"/customers/{borrower}/account/deposits", deposit)
    return dict(admin.get(f"/loans/{loan['id']}").json)


def insert_like(sql: psycopg.Connection, table: str, where: str, **changes: str) -> None:
    """Insert a copy of the first such row, with other expressions for some columns."""
    query = (
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = %s AND is_identity = 'NO'"
    )
    columns = [name for (name,) in sql.execute(query, [table])]
    assert set(changes) <= set(columns)
    chosen = ", ".join(changes.get(name, name) for name in columns)
    copied = sql.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 (a test's own text)
        f"SELECT {chosen} FROM {table} WHERE {where} LIMIT 1"
    )
    assert copied.rowcount == 1, "there is no such row to copy"


def refused_by(refused: pytest.ExceptionInfo[Any]) -> str | None:
    constraint: str | None = refused.value.diag.constraint_name
    return constraint


def book(sql: psycopg.Connection, *lines: tuple[str, str]) -> None:
    """A withdrawal of those amounts in cash, in a transaction of its own."""
    journal = uuid4()
    with sql.transaction():
        sql.execute(
            "INSERT INTO journal (id, kind, actor_id, actor_kind, at)"
            " VALUES (%s, 'withdrawal', %s, 'user', now())",
            [journal, uuid4()],
        )
        for direction, amount in lines:
            sql.execute(
                "INSERT INTO entries (journal_id, book, direction, amount)"
                " VALUES (%s, 'cash', %s, %s)",
                [journal, direction, amount],
            )


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [("debit", "1.00")],
        [("debit", "1.00"), ("debit", "1.00")],
        [("debit", "1.00"), ("credit", "1.01")],
        [("debit", "1.00"), ("credit", "0.50"), ("credit", "0.49")],
    ],
    ids=str,
)
def test_a_journal_that_does_not_balance_is_refused_at_the_commit(
    sql: psycopg.Connection, lines: list[tuple[str, str]]
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        book(sql, *lines)
    assert refused_by(refused) == "ck_journal_balanced"
    assert sql.execute("SELECT 1 FROM journal").fetchone() is None


def test_a_journal_is_judged_as_a_whole(sql: psycopg.Connection) -> None:
    book(sql, ("debit", "1.00"), ("credit", "0.50"), ("credit", "0.50"))
    assert sql.execute("SELECT count(*) FROM entries").fetchone() == (3,)


def test_a_journal_that_balanced_takes_no_further_entry(
    debt: dict[str, Any], sql: psycopg.Connection
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert_like(sql, "entries", "book = 'cash'")
    assert refused_by(refused) == "ck_journal_balanced"


@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["entries", "journal", "payments"])
def test_what_was_booked_cannot_be_rewritten(
    debt: dict[str, Any], sql: psycopg.Connection, table: str, change: str
) -> None:
    if table == "entries":
        change = change.replace("id = id", "amount = amount")
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        sql.execute(change.format(table))


@pytest.mark.parametrize("balance", ["-0.01", "'NaN'", "1000000000000.00"])
def test_an_account_that_cannot_be_is_refused(
    debt: dict[str, Any], sql: psycopg.Connection, balance: str
) -> None:
    with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange)):
        sql.execute(f"UPDATE accounts SET balance = {balance}")  # noqa: S608


@pytest.mark.parametrize("outstanding", ["-0.01", "amount + 0.01", "'NaN'", "0"])
def test_no_more_is_owed_than_was_lent_and_no_less_than_something(
    debt: dict[str, Any], sql: psycopg.Connection, outstanding: str
) -> None:
    with pytest.raises(errors.CheckViolation):
        sql.execute(f"UPDATE loans SET outstanding = {outstanding}")  # noqa: S608


@pytest.mark.parametrize(
    ("book", "changes"),
    [
        ("cash", {"loan_id": "(SELECT id FROM loans)"}),
        ("cash", {"customer_id": "(SELECT id FROM customers)"}),
        ("cash", {"balance_after": "1.00"}),
        ("receivable", {"loan_id": "NULL"}),
        ("receivable", {"customer_id": "(SELECT id FROM customers)"}),
        ("receivable", {"balance_after": "NULL"}),
        ("customer", {"customer_id": "NULL"}),
        ("customer", {"loan_id": "(SELECT id FROM loans)"}),
        ("customer", {"balance_after": "NULL"}),
        ("cash", {"book": "'equity'"}),
    ],
    ids=str,
)
def test_an_entry_names_the_account_that_its_book_has(
    debt: dict[str, Any], sql: psycopg.Connection, book: str, changes: dict[str, str]
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert_like(sql, "entries", f"book = '{book}'", **changes)
    assert refused_by(refused) == "ck_entries_account_named"


@pytest.mark.parametrize(
    ("constraint", "column", "value"),
    [
        ("amount_in_range", "amount", "0"),
        ("amount_in_range", "amount", "-0.01"),
        ("amount_in_range", "amount", "'NaN'"),
        ("balance_after_in_range", "balance_after", "-0.01"),
        ("balance_after_in_range", "balance_after", "'NaN'"),
        ("direction_known", "direction", "'aside'"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(
    debt: dict[str, Any], sql: psycopg.Connection, constraint: str, column: str, value: str
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert_like(sql, "entries", "book = 'customer'", **{column: value})
    assert refused_by(refused) == f"ck_entries_{constraint}"


@pytest.mark.parametrize(
    ("constraint", "kind", "changes"),
    [
        ("disburses_a_loan", "disbursement", {"loan_id": "NULL"}),
        ("disburses_a_loan", "deposit", {"loan_id": "(SELECT id FROM loans)"}),
        ("undoes_another", "reversal", {"reverses": "NULL"}),
        ("undoes_another", "deposit", {"reverses": "id"}),
        ("belongs_to_a_payment", "payment", {"payment_id": "NULL"}),
        ("belongs_to_a_payment", "deposit", {"payment_id": "(SELECT id FROM payments LIMIT 1)"}),
        ("kind_known", "deposit", {"kind": "'gift'"}),
    ],
    ids=str,
)
def test_a_journal_that_cannot_be_is_refused(
    debt: dict[str, Any],
    sql: psycopg.Connection,
    constraint: str,
    kind: str,
    changes: dict[str, str],
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert_like(sql, "journal", f"kind = '{kind}'", **{**NEW, **changes})
    assert refused_by(refused) == f"ck_journal_{constraint}"


@pytest.mark.parametrize(
    ("constraint", "status", "changes"),
    [
        ("total_amount_in_range", "COMPLETED", {"total_amount": "0"}),
        ("total_amount_in_range", "COMPLETED", {"total_amount": "-0.01"}),
        ("total_amount_in_range", "COMPLETED", {"total_amount": "'NaN'"}),
        ("status_known", "COMPLETED", {"status": "'LOST'"}),
        ("source_known", "COMPLETED", {"source": "'thin air'"}),
        ("undoes_another", "COMPLETED", {"reverses": "id"}),
        ("undoes_another", "REVERSED", {"reverses": "NULL"}),
        ("paid_unless_rejected", "COMPLETED", {"paid_at": "NULL"}),
        ("paid_unless_rejected", "COMPLETED", {"status": "'REJECTED'"}),
    ],
    ids=str,
)
def test_a_payment_that_cannot_be_is_refused(
    debt: dict[str, Any],
    sql: psycopg.Connection,
    constraint: str,
    status: str,
    changes: dict[str, str],
) -> None:
    with pytest.raises(errors.CheckViolation) as refused:
        insert_like(sql, "payments", f"status = '{status}'", **{**NEW, **changes})
    assert refused_by(refused) == f"ck_payments_{constraint}"


@pytest.mark.parametrize(
    ("table", "where", "constraint"),
    [
        ("journal", "kind = 'disbursement'", "uq_journal_loan_id"),
        ("journal", "kind = 'payment'", "uq_journal_payment_id"),
        ("payments", "status = 'REVERSED'", "uq_payments_reverses"),
    ],
)
def test_nothing_is_done_a_second_time(
    debt: dict[str, Any], sql: psycopg.Connection, table: str, where: str, constraint: str
) -> None:
    with pytest.raises(errors.UniqueViolation) as refused:
        insert_like(sql, table, where, **NEW)
    assert refused_by(refused) == constraint


def test_a_journal_is_not_reversed_a_second_time(
    debt: dict[str, Any], sql: psycopg.Connection
) -> None:
    with pytest.raises(errors.UniqueViolation) as refused:
        insert_like(sql, "journal", "kind = 'reversal'", payment_id="NULL", **NEW)
    assert refused_by(refused) == "uq_journal_reverses"


@pytest.mark.parametrize("table", ["journal", "payments"])
def test_an_external_id_names_one_record(
    debt: dict[str, Any], sql: psycopg.Connection, table: str
) -> None:
    with pytest.raises(errors.UniqueViolation) as refused:
        insert_like(sql, table, "external_id IS NOT NULL", **NEW)
    assert refused_by(refused) == f"uq_{table}_external_id"
