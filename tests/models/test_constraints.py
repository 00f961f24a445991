"""What PostgreSQL itself refuses, whoever writes and however."""

from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.factories import Caller

Row = dict[str, Any]


@pytest.mark.parametrize(
    "assignment",
    [
        "amount = 0",
        "amount = -0.01",
        "amount = 'NaN'",
        "outstanding = 'NaN'",
        "outstanding = -0.01",
        "outstanding = amount + 0.01",
        "outstanding = 0.01",
        "income = -0.01",
        "income = 'NaN'",
        "expenses = -0.01",
        "expenses = 'NaN'",
        "first_amount = 0",
        "first_amount = 'NaN'",
        "first_income = -0.01",
        "first_income = 'NaN'",
        "risk_score = 1.01",
        "risk_score = -0.01",
        "risk_score = 'NaN'",
        "term_months = 0",
        "term_months = 601",
        "status = 'UNHEARD'",
        "status = 'ACTIVE'",
        "status = 'ACTIVE', taken_at = now()",
        "status = 'PAID'",
        "taken_at = now()",
        "status = 'PAID', taken_at = now(), outstanding = 1",
    ],
)
def test_a_loan_that_cannot_be_is_refused(
    loan: Row, sql: psycopg.Connection, assignment: str
) -> None:
    with pytest.raises(errors.CheckViolation):
        sql.execute(f"UPDATE loans SET {assignment}")  # noqa: S608 (a test's own text)


@pytest.mark.parametrize("column", ["amount", "income", "expenses"])
def test_an_amount_too_large_for_the_contract_is_refused(
    loan: Row, sql: psycopg.Connection, column: str
) -> None:
    with pytest.raises((errors.CheckViolation, errors.NumericValueOutOfRange)):
        sql.execute(f"UPDATE loans SET {column} = 1000000000000.00")  # noqa: S608


@pytest.mark.parametrize(
    "assignment",
    [
        "credit_limit = -0.01",
        "credit_limit = 'NaN'",
        "status = 'UNHEARD'",
        "first_name = NULL",
        "last_name = NULL",
        "email = NULL",
    ],
)
def test_a_customer_that_cannot_be_is_refused(
    customer: Row, sql: psycopg.Connection, assignment: str
) -> None:
    with pytest.raises(errors.CheckViolation):
        sql.execute(f"UPDATE customers SET {assignment}")  # noqa: S608


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET role = 'root'",
        "UPDATE api_keys SET role = 'admin'",
        "UPDATE fraud_flags SET severity = 'dire'",
    ],
)
def test_an_unknown_word_is_refused(
    admin: Caller, loan: Row, sql: psycopg.Connection, statement: str
) -> None:
    admin.post("/auth/api-keys", {"name": "k", "role": "officer"})
    admin.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    with pytest.raises((errors.CheckViolation, errors.RestrictViolation)):
        sql.execute(statement)


@pytest.mark.parametrize("missing", ["totp_secret", "totp_step", "recovery_digests"])
def test_half_a_second_factor_is_refused(
    admin: Caller, sql: psycopg.Connection, missing: str
) -> None:
    whole = "UPDATE users SET totp_enabled_at = now(), totp_secret = '', totp_step = 1, "
    sql.execute(f"{whole} recovery_digests = '{{}}'")
    with pytest.raises(errors.CheckViolation):
        sql.execute(f"UPDATE users SET {missing} = NULL")  # noqa: S608


@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["loan_events", "fraud_flags", "flag_clearances", "audit_events"])
def test_what_happened_cannot_be_rewritten(
    admin: Caller, loan: Row, sql: psycopg.Connection, table: str, change: str
) -> None:
    admin.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    admin.post(f"/loans/{loan['id']}/clear-flags", {"reason": "fine"})
    statement = change.format(table)
    if table == "flag_clearances":
        statement = statement.replace("id = id", "at = at")
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        sql.execute(statement)


def test_the_triggers_find_their_tables_from_any_path(
    admin: Caller, loan: Row, sql: psycopg.Connection
) -> None:
    """A restore of data alone, for one, empties the path."""
    customer = admin.make_customer(external_id="left")
    tables = sql.execute("SELECT current_schema()").fetchone()
    assert tables is not None
    sql.execute("SET search_path = ''")
    sql.execute(f"UPDATE {tables[0]}.loans SET purpose = 'another'")  # noqa: S608
    sql.execute(f"DELETE FROM {tables[0]}.customers WHERE id = %s", [customer["id"]])  # noqa: S608
    assert admin.get(f"/loans/{loan['id']}").json["purpose"] == "another"
    assert admin.post("/customers/", {"external_id": "left"}).status_code == 409
