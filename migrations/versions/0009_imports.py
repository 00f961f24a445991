"""Imports of customers: files staged, worked on in parts, and their lines that were refused."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Once for all rows of a statement: asked of each, it takes a quarter of what they take in all.
REFUSE_RETIRED = """
CREATE OR REPLACE FUNCTION refuse_retired_external_ids() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added JOIN retired_external_ids USING (external_id)
    ) THEN
        RAISE EXCEPTION 'retired external id' USING
            ERRCODE = 'unique_violation', CONSTRAINT = 'uq_customers_external_id';
    END IF;
    RETURN NULL;
END $$
"""
OF_EACH_ROW = """
CREATE OR REPLACE TRIGGER refuse_retired_external_id AFTER INSERT ON customers
    FOR EACH ROW WHEN (NEW.external_id IS NOT NULL) EXECUTE FUNCTION refuse_retired_external_id()
"""
OF_ALL_ROWS = """
CREATE OR REPLACE TRIGGER refuse_retired_external_ids AFTER INSERT ON customers
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_retired_external_ids()
"""
# Of customers who come without an e-mail and a phone, these need to know nothing.
INDEXES = {
    "uq_customers_email": ("UNIQUE", "(lower(email))", "email"),
    "uq_customers_phone": ("UNIQUE", "(phone)", "phone"),
    "ix_customers_email_domain_created_at": (
        *("", "(lower(split_part(email, '@', -1)), created_at)", "email"),
    ),
    "ix_customers_phone_digits_created_at": (
        *("", "(regexp_replace(phone, '[^0-9]', '', 'g'), created_at)", "phone"),
    ),
}
UNDER_WAY = sa.text("status IN ('UPLOADING', 'QUEUED', 'RUNNING')")
TABLES = ("parts", "chunks", "names", "errors")


def upgrade() -> None:
    _replace_indexes(" WHERE {} IS NOT NULL")
    _create_tables()
    op.execute(REFUSE_RETIRED)
    op.execute("DROP TRIGGER IF EXISTS refuse_retired_external_id ON customers")
    op.execute(OF_ALL_ROWS)


def downgrade() -> None:
    _replace_indexes("")
    op.execute("DROP TRIGGER IF EXISTS refuse_retired_external_ids ON customers")
    op.execute(OF_EACH_ROW)
    op.execute("DROP FUNCTION refuse_retired_external_ids")
    for table in TABLES:
        op.drop_table(f"customer_import_{table}")
    op.drop_table("customer_imports")


def _replace_indexes(condition: str) -> None:
    """While everybody goes on reading and writing; it may be run again where it was interrupted."""
    with op.get_context().autocommit_block():
        for name, (kind, columns, asked) in INDEXES.items():
            new = f"{name}_new"
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {new}")
            op.execute(
                f"CREATE {kind} INDEX CONCURRENTLY {new} ON customers {columns}"
                f"{condition.format(asked)}"
            )
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"ALTER INDEX {new} RENAME TO {name}")


def _create_tables() -> None:
    op.create_table(
        "customer_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("filename", sa.String(length=255), nullable=False),
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("total_lines", sa.BigInteger(), nullable=False),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('UPLOADING', 'QUEUED', 'RUNNING', 'COMPLETED', 'FAILED')",
            name=op.f("ck_customer_imports_status_known"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_imports"),
    )
    op.create_index("ix_customer_imports_created_at_id", "customer_imports", ["created_at", "id"])
    op.create_index(
        "ix_customer_imports_under_way",
        "customer_imports",
        ["updated_at"],
        postgresql_where=UNDER_WAY,
    )
    _create_beside(
        "parts",
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("next_chunk", sa.Integer(), nullable=False),
        sa.Column("processed", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
    )
    _create_beside(
        "chunks",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
    )
    # It is read once, and soon: to compress it would take longer than to write it as it is.
    op.execute("ALTER TABLE customer_import_chunks ALTER COLUMN text SET STORAGE EXTERNAL")
    _create_beside("names", sa.Column("external_id", sa.String(length=60), nullable=False))
    _create_beside(
        "errors",
        # Further than any file goes, as far as a cursor may: it may be forged.
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
    )


def _create_beside(name: str, key: sa.Column[Any], *others: sa.Column[Any]) -> None:
    """A table of what an import has many of, each by the first column; gone with the import."""
    table = f"customer_import_{name}"
    op.create_table(
        table,
        sa.Column("import_id", sa.Uuid(), nullable=False),
        key,
        *others,
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["customer_imports.id"],
            name=f"fk_{table}_import_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", key.name, name=f"pk_{table}"),
    )
