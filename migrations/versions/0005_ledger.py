"""The ledger, customers' accounts, payments, and the answers to requests with an Idempotency-Key.

What was disbursed before there was a ledger is opened in it: the whole amount as a disbursement
into the customer's account and out of it again at once, for it was paid out then; and what had been
repaid since as one payment from outside.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

APPEND_ONLY = ("payments", "journal", "entries")

# At the commit, for every journal and every entry that was added: a journal without entries does
# not balance either.
REFUSE_UNBALANCED = """
CREATE FUNCTION refuse_unbalanced() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    judged uuid;
    debits numeric;
    credits numeric;
BEGIN
    IF TG_TABLE_NAME = 'journal' THEN judged := NEW.id; ELSE judged := NEW.journal_id; END IF;
    SELECT sum(amount) FILTER (WHERE direction = 'debit'),
           sum(amount) FILTER (WHERE direction = 'credit')
        INTO debits, credits FROM entries WHERE journal_id = judged;
    IF debits = credits THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'journal % does not balance: % debited, % credited', judged, debits, credits
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_journal_balanced';
END $$
"""

# A release from before the ledger, which may come back for a while, must not disburse past it.
REFUSE_UNBOOKED = """
CREATE FUNCTION refuse_unbooked() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM journal WHERE loan_id = NEW.id) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'loan % was disbursed without a journal', NEW.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_loans_booked_when_disbursed';
END $$;
CREATE CONSTRAINT TRIGGER booked AFTER INSERT OR UPDATE OF taken_at ON loans
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.taken_at IS NOT NULL) EXECUTE FUNCTION refuse_unbooked();
"""

# A UUIDv7 of the past: its first 48 bits are the milliseconds since 1970.
UUID7_AT = """
CREATE FUNCTION pg_temp.uuid7_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
    SELECT encode(set_bit(set_bit(
        overlay(
            uuid_send(gen_random_uuid())
            PLACING substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3)
            FROM 1 FOR 6
        ), 52, 1), 53, 1), 'hex')::uuid
$$
"""
OPEN_THE_BOOKS = """
CREATE TEMPORARY TABLE opened ON COMMIT DROP AS
    SELECT id AS loan_id, customer_id, amount, outstanding, amount - outstanding AS repaid,
           taken_at, updated_at, coalesce(
               (SELECT "by" FROM loan_events
                WHERE loan_id = loans.id AND to_status = 'ACTIVE' ORDER BY at, id LIMIT 1),
               created_by) AS opened_by,
           pg_temp.uuid7_at(taken_at) AS disbursement,
           pg_temp.uuid7_at(taken_at) AS withdrawal,
           pg_temp.uuid7_at(updated_at) AS payment,
           pg_temp.uuid7_at(updated_at) AS repayment
    FROM loans WHERE taken_at IS NOT NULL;

INSERT INTO payments
    (id, customer_id, total_amount, status, source, paid_at, created_by, created_at)
    SELECT payment, customer_id, repaid, 'COMPLETED', 'external', updated_at, opened_by, updated_at
    FROM opened WHERE repaid > 0;

INSERT INTO journal (id, kind, loan_id, payment_id, actor_id, actor_kind, at)
    SELECT id, kind, loan_id, payment_id, opened_by, 'migration', at FROM (
        SELECT disbursement, 'disbursement', loan_id, NULL::uuid, opened_by, taken_at FROM opened
        UNION ALL
        SELECT withdrawal, 'withdrawal', NULL::uuid, NULL::uuid, opened_by, taken_at FROM opened
        UNION ALL
        SELECT repayment, 'payment', NULL::uuid, payment, opened_by, updated_at
        FROM opened WHERE repaid > 0
    ) AS events (id, kind, loan_id, payment_id, opened_by, at);

INSERT INTO entries (journal_id, book, loan_id, direction, amount, balance_after)
    SELECT disbursement, 'receivable', loan_id, 'debit', amount, amount
    FROM opened ORDER BY taken_at, loan_id;
INSERT INTO entries (journal_id, book, customer_id, direction, amount, balance_after)
    SELECT journal_id, 'customer', customer_id, direction, amount, balance_after FROM opened
    CROSS JOIN LATERAL (VALUES
        (disbursement, 'credit', amount, 1), (withdrawal, 'debit', 0, 2)
    ) AS lines (journal_id, direction, balance_after, number)
    ORDER BY taken_at, loan_id, number;
INSERT INTO entries (journal_id, book, direction, amount)
    SELECT withdrawal, 'cash', 'credit', amount FROM opened;
INSERT INTO entries (journal_id, book, loan_id, direction, amount, balance_after)
    SELECT repayment, 'receivable', loan_id, 'credit', repaid, outstanding
    FROM opened WHERE repaid > 0 ORDER BY updated_at, loan_id;
INSERT INTO entries (journal_id, book, direction, amount)
    SELECT repayment, 'cash', 'debit', repaid FROM opened WHERE repaid > 0;

INSERT INTO accounts (customer_id, balance)
    SELECT DISTINCT customer_id, 0 FROM opened;
"""


def upgrade() -> None:
    # Whoever disburses now must wait, or the loan would be missing from the ledger. Foreign keys
    # to customers take the same lock of these: before the loans, as everybody else does.
    op.execute("LOCK TABLE customers, loans IN SHARE ROW EXCLUSIVE MODE")
    _create_kept_answers()
    _create_accounts()
    _create_payments()
    _create_journal()
    _create_entries()
    op.execute(UUID7_AT)
    op.execute(OPEN_THE_BOOKS)
    op.execute(REFUSE_UNBOOKED)
    op.execute(REFUSE_UNBALANCED)
    for table in ("journal", "entries"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON {table} "
            "DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse_unbalanced()"
        )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Only while nothing was booked but the opening: money that has moved since would be lost."""
    booked = "SELECT EXISTS (SELECT FROM journal WHERE actor_kind <> 'migration')"
    if op.get_bind().scalar(sa.text(booked)):
        raise RuntimeError("Money has moved since: without the ledger it would be lost.")
    op.execute("DROP TRIGGER booked ON loans")
    for table in ("entries", "journal", "payments", "accounts", "kept_answers"):
        op.drop_table(table)
    for function in ("refuse_unbalanced", "refuse_unbooked"):
        op.execute(f"DROP FUNCTION {function}")


def _money(name: str, *, nullable: bool = False) -> sa.Column[sa.Numeric]:
    return sa.Column(name, sa.Numeric(precision=14, scale=2), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _create_kept_answers() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("caller_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        _time("created_at"),
        _time("expires_at"),
        sa.PrimaryKeyConstraint("caller_id", "key", name="pk_kept_answers"),
    )
    op.create_index("ix_kept_answers_expires_at", "kept_answers", ["expires_at"])


def _create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        _money("balance"),
        sa.CheckConstraint("balance <= 999999999999.99", name=op.f("ck_accounts_balance_bounded")),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_accounts_never_negative")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_accounts_customer_id"),
        sa.PrimaryKeyConstraint("customer_id", name="pk_accounts"),
    )


def _create_payments() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=60), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        _money("total_amount"),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=10), nullable=False),
        _time("paid_at", nullable=True),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        _time("created_at"),
        sa.CheckConstraint(
            "(status = 'REJECTED') = (paid_at IS NULL)",
            name=op.f("ck_payments_paid_unless_rejected"),
        ),
        sa.CheckConstraint(
            "(status = 'REVERSED') = (reverses IS NOT NULL)",
            name=op.f("ck_payments_undoes_another"),
        ),
        sa.CheckConstraint(
            "source IN ('external', 'account')", name=op.f("ck_payments_source_known")
        ),
        sa.CheckConstraint(
            "status IN ('COMPLETED', 'REJECTED', 'REVERSED')", name=op.f("ck_payments_status_known")
        ),
        sa.CheckConstraint(
            "total_amount > 0 AND total_amount <= 999999999999.99",
            name=op.f("ck_payments_total_amount_in_range"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_payments_customer_id"),
        sa.ForeignKeyConstraint(["reverses"], ["payments.id"], name="fk_payments_reverses"),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
    )
    for columns in (("created_at",), ("customer_id", "created_at"), ("status", "created_at")):
        name = f"ix_payments_{'_'.join(columns)}_id"
        op.create_index(name, "payments", [*columns, "id"])
    for column in ("external_id", "reverses"):
        op.create_index(f"uq_payments_{column}", "payments", [column], unique=True)


def _create_journal() -> None:
    op.create_table(
        "journal",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=True),
        sa.Column("payment_id", sa.Uuid(), nullable=True),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("external_id", sa.String(length=60), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        _time("at"),
        sa.CheckConstraint(
            "(kind = 'disbursement') = (loan_id IS NOT NULL)",
            name=op.f("ck_journal_disburses_a_loan"),
        ),
        sa.CheckConstraint(
            "(kind = 'reversal') = (reverses IS NOT NULL)", name=op.f("ck_journal_undoes_another")
        ),
        sa.CheckConstraint(
            "kind IN ('disbursement', 'payment', 'deposit', 'withdrawal', 'reversal')",
            name=op.f("ck_journal_kind_known"),
        ),
        sa.CheckConstraint(
            "kind = 'reversal' OR (kind = 'payment') = (payment_id IS NOT NULL)",
            name=op.f("ck_journal_belongs_to_a_payment"),
        ),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name="fk_journal_loan_id"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_journal_payment_id"),
        sa.ForeignKeyConstraint(["reverses"], ["journal.id"], name="fk_journal_reverses"),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
    )
    for column in ("external_id", "loan_id", "payment_id", "reverses"):
        op.create_index(f"uq_journal_{column}", "journal", [column], unique=True)


def _create_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("journal_id", sa.Uuid(), nullable=False),
        sa.Column("book", sa.String(length=10), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("direction", sa.String(length=6), nullable=False),
        _money("amount"),
        _money("balance_after", nullable=True),
        sa.CheckConstraint(
            "book = 'cash' AND num_nonnulls(loan_id, customer_id, balance_after) = 0 "
            "OR book = 'receivable' AND customer_id IS NULL "
            "AND num_nulls(loan_id, balance_after) = 0 "
            "OR book = 'customer' AND loan_id IS NULL "
            "AND num_nulls(customer_id, balance_after) = 0",
            name=op.f("ck_entries_account_named"),
        ),
        sa.CheckConstraint(
            "direction IN ('debit', 'credit')", name=op.f("ck_entries_direction_known")
        ),
        sa.CheckConstraint(
            "amount > 0 AND amount <= 999999999999.99", name=op.f("ck_entries_amount_in_range")
        ),
        sa.CheckConstraint(
            "balance_after >= 0 AND balance_after <= 999999999999.99",
            name=op.f("ck_entries_balance_after_in_range"),
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_entries_customer_id"),
        sa.ForeignKeyConstraint(["journal_id"], ["journal.id"], name="fk_entries_journal_id"),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name="fk_entries_loan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
    )
    op.create_index("ix_entries_journal_id", "entries", ["journal_id"])
    for column in ("loan_id", "customer_id"):
        op.create_index(
            f"ix_entries_{column}_id",
            "entries",
            [column, "id"],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
