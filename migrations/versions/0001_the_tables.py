"""The tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit_events", "fraud_flags", "flag_clearances", "loan_events")

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""

# A deleted customer's external id stays taken. The check follows the insert: whoever waited on the
# unique index for the deletion to commit then sees what it left behind.
RETIRE_EXTERNAL_IDS = """
CREATE FUNCTION retire_external_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO retired_external_ids VALUES (OLD.external_id);
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_retired_external_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM retired_external_ids WHERE external_id = NEW.external_id) THEN
        RAISE EXCEPTION 'external_id was used before' USING
            ERRCODE = 'unique_violation', CONSTRAINT = 'uq_customers_external_id';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER retire_external_id AFTER DELETE ON customers
    FOR EACH ROW WHEN (OLD.external_id IS NOT NULL) EXECUTE FUNCTION retire_external_id();
CREATE TRIGGER refuse_retired_external_id AFTER INSERT ON customers
    FOR EACH ROW WHEN (NEW.external_id IS NOT NULL) EXECUTE FUNCTION refuse_retired_external_id();
"""


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_kind", sa.String(length=10), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("address", postgresql.INET(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_events"),
    )
    op.create_index("ix_audit_events_at_id", "audit_events", ["at", "id"], unique=False)
    op.create_index(
        "ix_audit_events_subject_id_at", "audit_events", ["subject_id", "at"], unique=False
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=60), nullable=True),
        sa.Column("first_name", sa.String(length=100), nullable=True),
        sa.Column("last_name", sa.String(length=100), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=32), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("credit_limit", sa.Numeric(precision=14, scale=2), nullable=True),
        sa.Column("preapproved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('ACTIVE', 'INACTIVE')", name=op.f("ck_customers_status_known")
        ),
        sa.CheckConstraint(
            "credit_limit >= 0 AND credit_limit <= 999999999999.99",
            name=op.f("ck_customers_credit_limit_in_range"),
        ),
        sa.CheckConstraint(
            "external_id IS NOT NULL OR "
            "(first_name IS NOT NULL AND last_name IS NOT NULL AND email IS NOT NULL)",
            name=op.f("ck_customers_identifiable"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customers"),
    )
    op.create_index("ix_customers_created_at_id", "customers", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_customers_created_by_created_at_id",
        "customers",
        ["created_by", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_customers_status_created_at_id",
        "customers",
        ["status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_customers_email", "customers", [sa.literal_column("lower(email)")], unique=True
    )
    op.create_index("uq_customers_external_id", "customers", ["external_id"], unique=True)
    op.create_index("uq_customers_phone", "customers", ["phone"], unique=True)
    op.create_table(
        "login_failures",
        sa.Column("email_digest", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("window_ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("email_digest", name="pk_login_failures"),
    )
    op.create_index(
        "ix_login_failures_window_ends_at", "login_failures", ["window_ends_at"], unique=False
    )
    op.create_table(
        "retired_external_ids",
        sa.Column("external_id", sa.String(length=60), nullable=False),
        sa.PrimaryKeyConstraint("external_id", name="pk_retired_external_ids"),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column("nickname", sa.String(length=60), nullable=True),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "role IN ('admin', 'officer', 'applicant')", name=op.f("ck_users_role_known")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], unique=False)
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('officer', 'applicant')", name=op.f("ck_api_keys_role_at_most_officer")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_api_keys_created_by"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_table(
        "loans",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.String(length=60), nullable=True),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("term_months", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("income", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("expenses", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("risk_score", sa.Numeric(precision=3, scale=2), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("outstanding", sa.Numeric(precision=14, scale=2), nullable=False),
        sa.Column("contract_version", sa.String(length=30), nullable=True),
        sa.Column("maximum_payment_date", sa.Date(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(status IN ('ACTIVE', 'PAID')) = (taken_at IS NOT NULL)",
            name=op.f("ck_loans_taken_when_disbursed"),
        ),
        sa.CheckConstraint(
            "status = 'ACTIVE' AND outstanding > 0 OR status <> 'ACTIVE' AND outstanding = 0",
            name=op.f("ck_loans_only_active_owes"),
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'FLAGGED', 'APPROVED', 'REJECTED', 'WITHDRAWN', "
            "'ACTIVE', 'PAID')",
            name=op.f("ck_loans_status_known"),
        ),
        sa.CheckConstraint(
            "amount > 0 AND amount <= 999999999999.99", name=op.f("ck_loans_amount_in_range")
        ),
        sa.CheckConstraint(
            "expenses >= 0 AND expenses <= 999999999999.99", name=op.f("ck_loans_expenses_in_range")
        ),
        sa.CheckConstraint(
            "income >= 0 AND income <= 999999999999.99", name=op.f("ck_loans_income_in_range")
        ),
        sa.CheckConstraint(
            "outstanding >= 0 AND outstanding <= amount", name=op.f("ck_loans_outstanding_in_range")
        ),
        sa.CheckConstraint(
            "risk_score >= 0 AND risk_score <= 1", name=op.f("ck_loans_risk_score_in_range")
        ),
        sa.CheckConstraint(
            "term_months >= 1 AND term_months <= 600", name=op.f("ck_loans_term_in_range")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_loans_customer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_loans"),
    )
    op.create_index("ix_loans_created_at_id", "loans", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_loans_created_by_created_at_id",
        "loans",
        ["created_by", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_loans_customer_id_created_at_id",
        "loans",
        ["customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_loans_status_created_at_id", "loans", ["status", "created_at", "id"], unique=False
    )
    op.create_index("uq_loans_external_id", "loans", ["external_id"], unique=True)
    op.create_table(
        "login_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("refresh_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_login_sessions_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_login_sessions"),
    )
    op.create_index("ix_login_sessions_expires_at", "login_sessions", ["expires_at"], unique=False)
    op.create_index("ix_login_sessions_user_id", "login_sessions", ["user_id"], unique=False)
    op.create_table(
        "fraud_flags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("evidence", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "severity IN ('low', 'medium', 'high')", name=op.f("ck_fraud_flags_severity_known")
        ),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name="fk_fraud_flags_loan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_fraud_flags"),
    )
    op.create_index(
        "ix_fraud_flags_loan_id_created_at_id",
        "fraud_flags",
        ["loan_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "loan_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("from_status", sa.String(length=10), nullable=True),
        sa.Column("to_status", sa.String(length=10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(["loan_id"], ["loans.id"], name="fk_loan_events_loan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_loan_events"),
    )
    op.create_index(
        "ix_loan_events_loan_id_at_id", "loan_events", ["loan_id", "at", "id"], unique=False
    )
    op.create_table(
        "flag_clearances",
        sa.Column("flag_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["flag_id"], ["fraud_flags.id"], name="fk_flag_clearances_flag_id"),
        sa.PrimaryKeyConstraint("flag_id", name="pk_flag_clearances"),
    )
    op.execute(RETIRE_EXTERNAL_IDS)
    op.execute(REFUSE_CHANGE)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.drop_table("flag_clearances")
    op.drop_table("loan_events")
    op.drop_table("fraud_flags")
    op.drop_table("login_sessions")
    op.drop_table("loans")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("retired_external_ids")
    op.drop_table("login_failures")
    op.drop_table("customers")
    op.drop_table("audit_events")
    for function in ("refuse_change", "retire_external_id", "refuse_retired_external_id"):
        op.execute(f"DROP FUNCTION {function}")
