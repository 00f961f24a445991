"""The migrations build what the models declare, and can be taken back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from flask import Flask
from psycopg.rows import dict_row
from sqlalchemy import create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from app.db import Base
from app.local.processes import wait_until
from tests import searching
from tests.conftest import migrate
from tests.servers import TestServers
from tests.tallying import differences

TAKEN_AT = datetime(2025, 3, 1, 9, 30, 0, 123_000, UTC)
REPAID_AT = TAKEN_AT + timedelta(days=90)
CUSTOMER = """
    INSERT INTO customers (id, external_id, status, created_by, version, created_at, updated_at)
    VALUES (%(id)s, %(id)s, 'ACTIVE', %(by)s, 1, now(), now())
"""
LOAN = """
    INSERT INTO loans (id, customer_id, amount, term_months, purpose, income, expenses, risk_score,
        status, outstanding, taken_at, created_by, version, created_at, updated_at)
    VALUES (%(id)s, %(customer)s, %(amount)s, 12, 'a van', 0, 0, 0,
        %(status)s, %(owed)s, %(at)s, %(by)s, 1, now(), %(paid_at)s)
"""
ACTIVATION = """
    INSERT INTO loan_events (id, loan_id, from_status, to_status, at, "by")
    VALUES (%(id)s, %(loan)s, 'APPROVED', 'ACTIVE', %(at)s, %(by)s)
"""
FLAG = """
    INSERT INTO fraud_flags (id, loan_id, rule, reason, severity, evidence, created_at)
    VALUES (%(id)s, %(loan)s, 'manual', 'odd', 'low', '{}', now())
"""
ANSWER = """
    INSERT INTO flag_clearances (flag_id, at, "by", reason)
    SELECT id, now(), loan_id, 'fine' FROM fraud_flags WHERE loan_id = %(loan)s
"""
COUNTED = """
    SELECT subject, sum(number)::integer AS number FROM tallies WHERE span = 'ever'
    GROUP BY subject ORDER BY subject
"""
OPEN_FLAGS = "SELECT id, open_flags FROM loans WHERE open_flags > 0"
BOOKED = """
    SELECT kind, actor_id, at, max(entries.loan_id::text)::uuid AS loan,
        array_agg(concat_ws(' ', direction, book, amount, balance_after) ORDER BY direction)
    FROM journal JOIN entries ON journal_id = journal.id
    GROUP BY journal.id ORDER BY kind, at, max(amount)
"""
ACTIVATING = """
    UPDATE loans SET status = 'ACTIVE', taken_at = %(at)s, outstanding = amount
    WHERE id = %(loan)s
"""
# As psycopg sends several statements only without parameters, one that does all of it.
MOVEMENT = """
    WITH deposit AS (
        INSERT INTO journal (id, kind, actor_id, actor_kind, at)
        VALUES (%(journal)s, 'deposit', %(by)s, 'user', now()) RETURNING id
    ), held AS (
        UPDATE accounts SET balance = 1 WHERE customer_id = %(customer)s
    )
    INSERT INTO entries (journal_id, book, customer_id, direction, amount, balance_after)
    SELECT id, book, customer, direction, 1, balance FROM deposit, (VALUES
        ('cash', NULL, 'debit', NULL), ('customer', %(customer)s, 'credit', 1)
    ) AS lines (book, customer, direction, balance)
"""
PERSON = """
    INSERT INTO customers (id, external_id, first_name, last_name, email, phone, status, created_by,
        version, created_at, updated_at)
    SELECT gen_random_uuid(), name, 'A', 'B', name || '@EXAMPLE.com', nullif(name, 'ada'), 'ACTIVE',
        gen_random_uuid(), 1, now(), now()
    FROM unnest(%(names)s::text[]) AS name
"""
PEOPLE = "SELECT * FROM customers ORDER BY id"
PARTIAL = """
    SELECT indexname FROM pg_indexes WHERE tablename = 'customers' AND indexdef LIKE '%NOT NULL%'
    ORDER BY indexname
"""
BOB_AGAIN = """
    UPDATE customers SET external_id = 'bob', email = 'bob@EXAMPLE.com'
    WHERE external_id = 'another'
"""
# As a release from before second factors writes it.
USER = """
    INSERT INTO users (id, email, password_hash, role, is_active, version, created_at, updated_at)
    VALUES (%(id)s, %(id)s, 'x', 'officer', true, 1, now(), now())
"""
SECOND_FACTORS = """
    SELECT id, totp_secret, totp_step, totp_enabled_at, recovery_digests FROM users ORDER BY id
"""
ENABLING = """
    UPDATE users SET totp_enabled_at = now(), totp_secret = 'x', totp_step = 1,
        recovery_digests = '{}' WHERE id = %(id)s
"""
LIMIT = "500ms"
WAITING_BEYOND_IT = f"""
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND clock_timestamp() > query_start + interval '{LIMIT}'
"""
PATIENCE = 30


@pytest.fixture(scope="module")
def url(servers: TestServers, worker_number: int) -> str:
    return servers.create_database(f"migrations_{worker_number}_test")


def alembic(url: str) -> Config:
    config = Config("alembic.ini")
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def downgrade(url: str, revision: str) -> None:
    command.downgrade(alembic(url), revision)


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows} - {"alembic_version"}


def functions(url: str) -> set[str]:
    query = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(query)}


def test_every_migration_can_be_taken_back_and_made_again(url: str) -> None:
    migrate(url)
    assert tables(url) == set(Base.metadata.tables)
    migrate(url, "base")
    assert tables(url) == functions(url) == set()
    migrate(url)
    assert tables(url) == set(Base.metadata.tables)


def test_the_models_declare_nothing_that_no_migration_builds(url: str) -> None:
    migrate(url)
    config = alembic(url)
    config.stdout = StringIO()
    command.check(config)
    assert config.stdout.getvalue() == "No new upgrade operations detected.\n"


def test_constraints_carry_the_names_that_refusals_are_known_by(url: str) -> None:
    migrate(url)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    inspector = inspect(engine)
    for name, table in Base.metadata.tables.items():
        declared = {str(each.name) for each in table.constraints} - {None}
        built = {check["name"] for check in inspector.get_check_constraints(name)}
        built |= {key["name"] for key in inspector.get_foreign_keys(name)}
        built |= {unique["name"] for unique in inspector.get_unique_constraints(name)}
        built |= {inspector.get_pk_constraint(name)["name"]}
        assert built == declared
    engine.dispose()


class Lent:
    """A book of loans from before there was a ledger."""

    def __init__(self, url: str) -> None:
        migrate(url, "base")
        migrate(url, "0004")
        self.url = url
        self.ada, self.bob, self.clerk, self.admin = (uuid7() for _ in range(4))
        for customer in (self.ada, self.bob):
            self.execute(CUSTOMER, id=customer, by=self.clerk)
        self.fresh = self.lend(self.ada, "100.00", "100.00", at=TAKEN_AT + timedelta(days=1))
        self.partly = self.lend(self.ada, "200.00", "50.01")
        self.paid = self.lend(self.bob, "300.00", "0.00", status="PAID")
        self.lend(self.bob, "400.00", "0.00", status="PENDING", at=None)
        for loan in (self.fresh, self.paid):
            self.execute(ACTIVATION, id=uuid7(), loan=loan, at=TAKEN_AT, by=self.admin)

    def lend(
        self,
        customer: UUID,
        amount: str,
        owed: str,
        *,
        status: str = "ACTIVE",
        at: datetime | None = TAKEN_AT,
    ) -> UUID:
        loan: UUID = uuid7()
        named = {"id": loan, "customer": customer, "by": self.clerk}
        self.execute(
            LOAN, **named, amount=amount, owed=owed, status=status, at=at, paid_at=REPAID_AT
        )
        return loan

    def execute(self, statement: str, **values: Any) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement, values)

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def lent(url: str) -> Lent:
    return Lent(url)


def test_what_was_lent_before_the_ledger_is_opened_in_it(lent: Lent) -> None:
    migrate(lent.url)
    booked = [tuple(each.values()) for each in lent.rows(BOOKED)]
    later = TAKEN_AT + timedelta(days=1)
    assert booked == [
        (
            *("disbursement", lent.clerk, TAKEN_AT, lent.partly),
            ["credit customer 200.00 200.00", "debit receivable 200.00 200.00"],
        ),
        (
            *("disbursement", lent.admin, TAKEN_AT, lent.paid),
            ["credit customer 300.00 300.00", "debit receivable 300.00 300.00"],
        ),
        (
            *("disbursement", lent.admin, later, lent.fresh),
            ["credit customer 100.00 100.00", "debit receivable 100.00 100.00"],
        ),
        (
            *("payment", lent.clerk, REPAID_AT, lent.partly),
            ["credit receivable 149.99 50.01", "debit cash 149.99"],
        ),
        (
            *("payment", lent.admin, REPAID_AT, lent.paid),
            ["credit receivable 300.00 0.00", "debit cash 300.00"],
        ),
        (
            *("withdrawal", lent.clerk, TAKEN_AT, None),
            ["credit cash 200.00", "debit customer 200.00 0.00"],
        ),
        (
            *("withdrawal", lent.admin, TAKEN_AT, None),
            ["credit cash 300.00", "debit customer 300.00 0.00"],
        ),
        (
            *("withdrawal", lent.admin, later, None),
            ["credit cash 100.00", "debit customer 100.00 0.00"],
        ),
    ]


def test_what_was_disbursed_before_the_ledger_is_not_paid_out_again(lent: Lent) -> None:
    migrate(lent.url)
    accounts = {each["customer_id"]: each["balance"] for each in lent.rows("TABLE accounts")}
    assert accounts == {lent.ada: 0, lent.bob: 0}


def test_what_was_repaid_before_the_ledger_is_one_payment_a_loan(lent: Lent) -> None:
    migrate(lent.url)
    paid = lent.rows("SELECT * FROM payments ORDER BY total_amount")
    assert [(each["customer_id"], str(each["total_amount"])) for each in paid] == [
        (lent.ada, "149.99"),
        (lent.bob, "300.00"),
    ]
    assert {(each["status"], each["source"], each["paid_at"]) for each in paid} == {
        ("COMPLETED", "external", REPAID_AT)
    }


def test_what_is_opened_has_ids_of_its_own_time(lent: Lent) -> None:
    migrate(lent.url)
    made = lent.rows("SELECT id, at FROM journal UNION ALL SELECT id, paid_at FROM payments")
    assert len(made) == len({each["id"] for each in made}) == 10
    for each in made:
        assert (each["id"].version, each["id"].variant) == (7, uuid7().variant)
        assert each["id"].int >> 80 == round(each["at"].timestamp() * 1000)


def test_the_books_that_are_opened_are_right(lent: Lent, make_app: Callable[..., Flask]) -> None:
    migrate(lent.url)
    verified = make_app(DATABASE_URL=lent.url).test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output
    assert "no difference" in verified.stdout


def test_the_books_can_be_closed_and_opened_again(lent: Lent) -> None:
    loans = lent.rows("SELECT * FROM loans ORDER BY id")
    migrate(lent.url)
    command.downgrade(alembic(lent.url), "0004")
    assert not tables(lent.url) & {"accounts", "entries", "journal", "payments", "kept_answers"}
    assert lent.rows("SELECT * FROM loans ORDER BY id") == loans
    migrate(lent.url)
    assert len(lent.rows("TABLE journal")) == 8


def test_the_books_are_not_closed_over_money_that_has_moved_since(lent: Lent) -> None:
    migrate(lent.url)
    lent.execute(MOVEMENT, journal=uuid7(), customer=lent.ada, by=lent.clerk)
    with pytest.raises(RuntimeError, match="would be lost"):
        command.downgrade(alembic(lent.url), "0004")
    assert len(lent.rows("TABLE journal")) == 9
    lent.execute("TRUNCATE journal CASCADE")  # or nothing could be tried on this database again


def test_what_an_interrupted_migration_made_of_the_search_is_made_anew(lent: Lent) -> None:
    migrate(lent.url, "0007")
    lent.execute("UPDATE alembic_version SET version_num = '0006'")
    lent.execute("UPDATE search_tallies SET number = number + 1")
    lent.execute("DROP INDEX ix_customers_search_vector")
    migrate(lent.url)
    with psycopg.connect(lent.url) as connection:
        assert searching.differences(connection) == []
    command.check(alembic(lent.url))


def test_a_release_from_before_the_ledger_cannot_disburse_past_it(lent: Lent) -> None:
    migrate(lent.url)
    pending = lent.rows("SELECT id FROM loans WHERE status = 'PENDING'")[0]["id"]
    refused = pytest.raises(psycopg.errors.CheckViolation, match="without a journal")
    with psycopg.connect(lent.url, autocommit=True) as former, refused:
        former.execute(ACTIVATING, {"loan": pending, "at": REPAID_AT})
    assert lent.rows("SELECT id FROM loans WHERE status = 'PENDING'")[0]["id"] == pending


@pytest.fixture
def flagged(lent: Lent) -> Lent:
    """With flags on two of the loans, those of one answered."""
    for loan in (lent.fresh, lent.fresh, lent.partly):
        lent.execute(FLAG, id=uuid7(), loan=loan)
    lent.execute(ANSWER, loan=lent.partly)
    return lent


def test_what_there_was_before_the_tallies_is_in_them(flagged: Lent) -> None:
    migrate(flagged.url)
    with psycopg.connect(flagged.url) as connection:
        assert differences(connection) == []
    assert flagged.rows(COUNTED) == [
        {"subject": "customers", "number": 2},
        {"subject": "loans", "number": 4},
        {"subject": "payments", "number": 2},
    ]
    assert flagged.rows(OPEN_FLAGS) == [{"id": flagged.fresh, "open_flags": 2}]


def test_a_migration_to_tallies_that_broke_off_is_made_again(flagged: Lent) -> None:
    migrate(flagged.url, "0006")
    flagged.execute("UPDATE alembic_version SET version_num = '0005'")
    flagged.execute("UPDATE loans SET open_flags = 3; TRUNCATE tallies")
    migrate(flagged.url, "0006")
    with psycopg.connect(flagged.url) as connection:
        assert differences(connection) == []
    assert flagged.rows(OPEN_FLAGS) == [{"id": flagged.fresh, "open_flags": 2}]


@pytest.fixture
def limited(lent: Lent) -> Iterator[Lent]:
    """Whoever connects there has little time for each statement, unless they ask for more."""
    name = make_url(lent.url).database
    with psycopg.connect(lent.url, options="-c statement_timeout=0", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET statement_timeout = '{LIMIT}'")
        yield lent
        connection.execute(f"ALTER DATABASE {name} RESET statement_timeout")


def test_a_limit_that_is_meant_for_requests_does_not_end_a_migration(limited: Lent) -> None:
    options = "-c statement_timeout=0"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(limited.url, options=options) as writer:
        writer.execute("LOCK TABLE loans IN ROW EXCLUSIVE MODE")
        migration = pool.submit(migrate, limited.url)
        assert wait_until(
            lambda: migration.done() or bool(limited.rows(WAITING_BEYOND_IT)), PATIENCE
        )
        writer.rollback()
        migration.result()
    assert len(limited.rows("TABLE journal")) == 8


@pytest.fixture
def before_imports(url: str) -> Lent:
    """With customers of whom some have an e-mail or a phone, and one was deleted."""
    lent = Lent(url)
    migrate(url, "0008")
    lent.execute(PERSON, names=["ada", "bob", "gone"])
    lent.execute("DELETE FROM customers WHERE external_id = 'gone'")
    return lent


def refused(lent: Lent, *names: str) -> str | None:
    """The constraint by which people of those names are refused, all of them."""
    with pytest.raises(psycopg.errors.UniqueViolation) as violation:
        lent.execute(PERSON, names=list(names))
    return violation.value.diag.constraint_name


def test_what_is_unique_stays_so_as_the_indexes_are_replaced(before_imports: Lent) -> None:
    lent = before_imports
    there = lent.rows(PEOPLE)
    for revision, indexes in (("head", 4), ("0008", 0), ("head", 4)):
        (migrate if revision == "head" else downgrade)(lent.url, revision)
        assert len(lent.rows(PARTIAL)) == indexes
        assert refused(lent, "new", "gone") == "uq_customers_external_id"
        assert refused(lent, "new", "ada") == "uq_customers_external_id"
        lent.execute("UPDATE customers SET external_id = 'another' WHERE external_id = 'bob'")
        assert refused(lent, "new", "bob") == "uq_customers_email"
        lent.execute("UPDATE customers SET email = NULL WHERE external_id = 'another'")
        assert refused(lent, "new", "bob") == "uq_customers_phone"
        lent.execute(BOB_AGAIN)
        assert lent.rows(PEOPLE) == there
    command.check(alembic(lent.url))


def test_a_migration_to_imports_that_broke_off_is_made_again(before_imports: Lent) -> None:
    lent = before_imports
    lent.execute("CREATE TABLE ix_customers_phone_digits_created_at_new ()")
    with pytest.raises(DBAPIError, match="is not an index"):
        migrate(lent.url)
    assert 0 < len(lent.rows(PARTIAL)) < 4
    assert refused(lent, "new", "gone") == "uq_customers_external_id"
    lent.execute("DROP TABLE ix_customers_phone_digits_created_at_new")
    migrate(lent.url)
    assert len(lent.rows(PARTIAL)) == 4
    command.check(alembic(lent.url))


def test_nobody_has_a_second_factor_until_they_set_one_up(lent: Lent) -> None:
    """A release from before, which serves beside this one, adds users all the same."""
    before, after = uuid7(), uuid7()
    migrate(lent.url, "0009")
    lent.execute(USER, id=before)
    migrate(lent.url, "0010")
    lent.execute(USER, id=after)
    assert [tuple(each.values()) for each in lent.rows(SECOND_FACTORS)] == [
        (user, None, None, None, None) for user in (before, after)
    ]


def test_a_migration_to_second_factors_that_broke_off_is_made_again(lent: Lent) -> None:
    migrate(lent.url, "0010")
    user = uuid7()
    lent.execute(USER, id=user)
    lent.execute(ENABLING, id=user)
    lent.execute("UPDATE alembic_version SET version_num = '0009'")
    migrate(lent.url, "0010")
    (kept,) = lent.rows(SECOND_FACTORS)
    assert (bytes(kept["totp_secret"]), kept["totp_step"]) == (b"x", 1)
    with pytest.raises(psycopg.errors.CheckViolation):
        lent.execute("UPDATE users SET totp_secret = NULL")
