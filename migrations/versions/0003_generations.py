"""Generations, which triggers raise with every change of what a cache may hold."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A row that another transaction holds is passed over: writers do not wait for each other.
RAISE_GENERATION = """
CREATE FUNCTION raise_generation() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    free bigint;
BEGIN
    SELECT slot INTO free FROM generations WHERE topic = TG_ARGV[0]
        ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE generations SET token = gen_random_uuid() WHERE slot = free;
    ELSE
        INSERT INTO generations (topic) VALUES (TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$
"""
# Which statements change what is cached: the loans as they are shown, and what is counted of
# customers.
RAISED_BY = (
    ("loans", "loans", "INSERT OR UPDATE OR DELETE OR TRUNCATE"),
    ("loans", "fraud_flags", "INSERT OR TRUNCATE"),
    ("loans", "flag_clearances", "INSERT OR TRUNCATE"),
    ("loans", "customers", "UPDATE OF external_id"),
    ("customers", "customers", "INSERT OR UPDATE OF email OR DELETE OR TRUNCATE"),
)


def upgrade() -> None:
    op.create_table(
        "generations",
        sa.Column("slot", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("topic", sa.String(length=20), nullable=False),
        sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_generations"),
    )
    op.create_index("ix_generations_topic_slot", "generations", ["topic", "slot"])
    op.execute("INSERT INTO generations (topic) VALUES ('loans'), ('customers')")
    op.execute(RAISE_GENERATION)
    # So that these find their tables whatever the writer's path, a restore's empty one too.
    for name in ("retire_external_id", "refuse_retired_external_id"):
        op.execute(f"ALTER FUNCTION {name}() SET search_path FROM CURRENT")
    for topic, table, statements in RAISED_BY:
        op.execute(
            f"CREATE TRIGGER raise_{topic}_generation AFTER {statements} ON {table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION raise_generation('{topic}')"
        )


def downgrade() -> None:
    for topic, table, _ in RAISED_BY:
        op.execute(f"DROP TRIGGER raise_{topic}_generation ON {table}")
    op.execute("DROP FUNCTION raise_generation")
    op.drop_table("generations")
