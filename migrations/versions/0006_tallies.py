"""Tallies of loans, customers, payments and the audit trail; and of each loan's open flags.

What a statement changes of them is written down by triggers in rows of its own, so that no writer
waits for another, and folded into the tallies later.
"""

from typing import NamedTuple

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


class Subject(NamedTuple):
    """The rows of a table, counted by day, kind, and whether they are flagged."""

    name: str
    table: str
    at: str
    kind: str
    is_flagged: str = "false"
    sums: tuple[str, ...] = ("0", "0", "0")

    def lines(self, rows: str, sign: str = "") -> str:
        """What `rows` add to the tallies, or with "-" take from them, each by itself."""
        sums = ", ".join(f"{sign}{each}" for each in ("1", *self.sums))
        return (
            f"SELECT '{self.name}', ({self.at} AT TIME ZONE 'UTC')::date, {self.kind}, "  # noqa: S608
            f"{self.is_flagged}, {sums} FROM {rows}"
        )


SUBJECTS = (
    Subject(
        *("loans", "loans", "created_at", "status", "open_flags > 0"),
        sums=("risk_score", "amount", "outstanding"),
    ),
    Subject("customers", "customers", "created_at", "status"),
    Subject("payments", "payments", "created_at", "status"),
    Subject("audit", "audit_events", "at", "action"),
)
# Whoever adds to these changes a loan's row, and raises the generation by that already.
FLAGS = ("fraud_flags", "flag_clearances")
# Locked in the order in which everybody else locks them.
GUARDED = ("customers", "loans", "payments", *FLAGS, "audit_events")
KEY = "subject, day, kind, is_flagged"
COLUMNS = f"{KEY}, number, risk, amount, outstanding"
WRITE = f"INSERT INTO tally_changes ({COLUMNS})"
# One folds at a time, and nobody while all is counted anew.
LOCK = "hashtextextended('tallies', 0)"
EVER = "date '0001-01-01'"
XMIN = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
TAKEN = f"SELECT {KEY}, -number, -risk, -amount, -outstanding"


def summed(lines: str) -> str:
    """The same lines, one for each key, without those that come to nothing."""
    return (
        f"SELECT {KEY}, sum(number), sum(risk), sum(amount), sum(outstanding) "  # noqa: S608
        f"FROM ({lines}) AS lines ({COLUMNS}) GROUP BY {KEY} "
        "HAVING (sum(number), sum(risk), sum(amount), sum(outstanding)) <> (0, 0, 0, 0)"
    )


# A single row, which is what most statements write, takes less than half as long without summing.
TALLY = """
CREATE OR REPLACE FUNCTION tally_{subject.table}() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        {write} {changed};
    ELSIF TG_OP = 'DELETE' THEN
        {write} {removed};
    ELSE
        PERFORM FROM added OFFSET 1;
        IF FOUND THEN
            {write} {added};
        ELSE
            {write} {added_alone};
        END IF;
    END IF;
    RETURN NULL;
END $$
"""
# Nobody else writes to a table that is being truncated.
TALLY_TRUNCATION = f"""
CREATE OR REPLACE FUNCTION tally_truncation() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    {WRITE} {
    summed(
        f"{TAKEN} FROM tally_changes WHERE subject = TG_ARGV[0] UNION ALL "
        f"{TAKEN.replace('day', 'starts_on')} FROM tallies "
        "WHERE subject = TG_ARGV[0] AND span = 'day'"
    )
};
    RETURN NULL;
END $$
"""
# By what is missing, so that flags which come meanwhile are counted neither twice nor not at all.
COUNT_OPEN_FLAGS = f"""
CREATE OR REPLACE FUNCTION recount_open_flags() RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({LOCK});
    WITH open_flags AS (
        SELECT loan_id, count(*) AS number FROM fraud_flags
        WHERE NOT EXISTS (SELECT FROM flag_clearances WHERE flag_id = fraud_flags.id)
        GROUP BY loan_id
    ), kept AS (
        SELECT id, open_flags AS number FROM loans WHERE open_flags <> 0
    ), missing AS (
        SELECT coalesce(loan_id, id) AS loan_id,
               coalesce(open_flags.number, 0) - coalesce(kept.number, 0) AS number
        FROM open_flags FULL JOIN kept ON id = loan_id
    )
    UPDATE loans SET open_flags = loans.open_flags + missing.number
    FROM missing WHERE loan_id = loans.id AND missing.number <> 0;
END $$;
CREATE OR REPLACE FUNCTION count_open_flags() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM recount_open_flags();
    ELSIF TG_TABLE_NAME = 'fraud_flags' THEN
        UPDATE loans SET open_flags = open_flags + flagged.number
        FROM (SELECT loan_id, count(*) AS number FROM added GROUP BY loan_id) AS flagged
        WHERE id = loan_id;
    ELSE
        UPDATE loans SET open_flags = open_flags - cleared.number
        FROM (SELECT loan_id, count(*) AS number FROM fraud_flags
              JOIN added ON flag_id = id GROUP BY loan_id) AS cleared
        WHERE id = loan_id;
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608
# What is moved is out of the one table and in the other at the same instant, and a tally that comes
# to nothing is removed. Each is found by its key, however large a plan takes the changes for.
FOLD_TALLIES = f"""
CREATE OR REPLACE FUNCTION fold_tallies() RETURNS bigint LANGUAGE plpgsql
SET search_path FROM CURRENT SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    unfolded_from bigint := coalesce(
        (SELECT folded_below FROM tally_folds WHERE folded_below <= {XMIN}), 0);
    touched bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM tally_changes WHERE transaction_id >= unfolded_from)
        OR NOT pg_try_advisory_xact_lock({LOCK}) THEN
        RETURN 0;
    END IF;
    WITH folded AS (
        DELETE FROM tally_changes WHERE transaction_id >= unfolded_from RETURNING {COLUMNS}
    ), by_day AS (
        {summed("SELECT * FROM folded")}
    ), changed AS (
        SELECT subject, span, starts_on, kind, is_flagged, sum(number) AS number,
               sum(risk) AS risk, sum(amount) AS amount, sum(outstanding) AS outstanding
        FROM by_day AS days ({COLUMNS}) CROSS JOIN LATERAL (VALUES
            ('day', day), ('month', date_trunc('month', day::timestamp)::date), ('ever', {EVER})
        ) AS spans (span, starts_on)
        GROUP BY subject, span, starts_on, kind, is_flagged
    ), marked AS (
        INSERT INTO tally_folds (id, folded_below) VALUES (1, {XMIN})
        ON CONFLICT (id) DO UPDATE SET folded_below = excluded.folded_below
    )
    MERGE INTO tallies AS kept USING changed
    ON kept.subject = changed.subject AND kept.span = changed.span
        AND kept.starts_on = changed.starts_on AND kept.kind = changed.kind
        AND kept.is_flagged = changed.is_flagged
    WHEN MATCHED AND (kept.number + changed.number, kept.risk + changed.risk,
        kept.amount + changed.amount, kept.outstanding + changed.outstanding) = (0, 0, 0, 0)
        THEN DELETE
    WHEN MATCHED THEN UPDATE SET number = kept.number + changed.number,
        risk = kept.risk + changed.risk, amount = kept.amount + changed.amount,
        outstanding = kept.outstanding + changed.outstanding
    WHEN NOT MATCHED AND (changed.number, changed.risk, changed.amount, changed.outstanding)
        <> (0, 0, 0, 0)
        THEN INSERT VALUES (changed.subject, changed.span, changed.starts_on, changed.kind,
            changed.is_flagged, changed.number, changed.risk, changed.amount, changed.outstanding);
    GET DIAGNOSTICS touched = ROW_COUNT;
    RETURN touched;
END $$
"""  # noqa: S608
# All of it in one view of everything, so that nobody has to stop writing meanwhile: a transaction
# is in it with its records and its changes, or with neither.
RECOUNT_TALLIES = f"""
CREATE OR REPLACE FUNCTION recount_tallies() RETURNS void LANGUAGE plpgsql
SET search_path FROM CURRENT SET work_mem = '64MB' AS $$
BEGIN
    PERFORM recount_open_flags();
    DELETE FROM tally_folds;
    WITH forgotten AS (DELETE FROM tallies)
    {WRITE} {
    summed(
        " UNION ALL ".join(
            (*(summed(each.lines(each.table)) for each in SUBJECTS), f"{TAKEN} FROM tally_changes")
        )
    )
};
    PERFORM fold_tallies();
END $$
"""  # noqa: S608
# 0003's, which a transaction that has raised it already may pass over.
RAISE_GENERATION = """
CREATE OR REPLACE FUNCTION raise_generation() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
DECLARE
    raised text := 'generations.' || TG_ARGV[0];
    free bigint;
BEGIN
    {unless_raised}
    SELECT slot INTO free FROM generations WHERE topic = TG_ARGV[0]
        ORDER BY slot LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
        UPDATE generations SET token = gen_random_uuid() WHERE slot = free;
    ELSE
        INSERT INTO generations (topic) VALUES (TG_ARGV[0]);
    END IF;
    {is_raised}
    RETURN NULL;
END $$
"""
# A setting of the transaction, which is rolled back with what it tells of, to a savepoint too.
UNLESS_RAISED = "IF current_setting(raised, true) = 'raised' THEN RETURN NULL; END IF;"
IS_RAISED = "PERFORM set_config(raised, 'raised', true);"
FUNCTIONS = (
    *(f"tally_{each.table}" for each in SUBJECTS),
    *("tally_truncation", "count_open_flags", "recount_open_flags"),
    *("fold_tallies", "recount_tallies"),
)
ADDED, REMOVED = "NEW TABLE AS added", "OLD TABLE AS removed"


def upgrade() -> None:
    """May be run again where it was interrupted: what there is already is left or replaced."""
    op.execute(f"LOCK TABLE {', '.join(GUARDED)} IN SHARE ROW EXCLUSIVE MODE")
    op.execute(
        "ALTER TABLE loans ADD COLUMN IF NOT EXISTS open_flags integer DEFAULT 0 NOT NULL, "
        "DROP CONSTRAINT IF EXISTS ck_loans_open_flags_counted, "
        "ADD CONSTRAINT ck_loans_open_flags_counted CHECK (open_flags >= 0) NOT VALID"
    )
    _create_tables()
    for each in SUBJECTS:
        op.execute(
            TALLY.format(
                subject=each,
                write=WRITE,
                changed=summed(f"{each.lines('added')} UNION ALL {each.lines('removed', '-')}"),
                removed=summed(each.lines("removed", "-")),
                added=summed(each.lines("added")),
                added_alone=each.lines("added"),
            )
        )
    for functions in (TALLY_TRUNCATION, COUNT_OPEN_FLAGS, FOLD_TALLIES, RECOUNT_TALLIES):
        op.execute(functions)
    op.execute(RAISE_GENERATION.format(unless_raised=UNLESS_RAISED, is_raised=IS_RAISED))
    for table in FLAGS:
        op.execute(f"DROP TRIGGER IF EXISTS raise_loans_generation ON {table}")
    _create_triggers()
    # From here on everybody keeps them; what was there before is counted while others write.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE loans VALIDATE CONSTRAINT ck_loans_open_flags_counted")
        op.execute("SELECT recount_tallies()")
        op.execute("ANALYZE tallies")


def downgrade() -> None:
    op.execute(f"LOCK TABLE {', '.join(GUARDED)} IN ACCESS EXCLUSIVE MODE")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function} CASCADE")
    op.execute(RAISE_GENERATION.format(unless_raised="", is_raised=""))
    for table in FLAGS:
        op.execute(
            f"CREATE OR REPLACE TRIGGER raise_loans_generation AFTER INSERT OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION raise_generation('loans')"
        )
    for table in ("tally_folds", "tally_changes", "tallies"):
        op.drop_table(table)
    op.drop_column("loans", "open_flags")


def _sums() -> list[sa.Column[sa.Numeric]]:
    sums = [sa.Column(name, sa.Numeric(), nullable=False) for name in COLUMNS.split(", ")[-3:]]
    return [sa.Column("number", sa.BigInteger(), nullable=False), *sums]


def _create_tables() -> None:
    op.create_table(
        "tallies",
        sa.Column("subject", sa.String(length=10), nullable=False),
        sa.Column("span", sa.String(length=5), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("is_flagged", sa.Boolean(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint(
            *("subject", "span", "starts_on", "kind", "is_flagged"), name="pk_tallies"
        ),
        if_not_exists=True,
        # Those of today change each second, and are to stay on their page.
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "tally_changes",
        sa.Column(
            "transaction_id",
            sa.BigInteger(),
            server_default=sa.text("pg_current_xact_id()::text::bigint"),
            nullable=False,
        ),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("subject", sa.String(length=10), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("is_flagged", sa.Boolean(), nullable=False),
        *_sums(),
        sa.PrimaryKeyConstraint("transaction_id", "id", name="pk_tally_changes"),
        if_not_exists=True,
        # Its rows live for a second. It keeps the room it has had, or it would look so small that
        # plans went through all that is dead in it.
        postgresql_with={
            "autovacuum_vacuum_threshold": 1_000,
            "autovacuum_vacuum_scale_factor": 0,
            "vacuum_truncate": "off",
        },
    )
    op.create_table(
        "tally_folds",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("folded_below", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_tally_folds_only_one")),
        sa.PrimaryKeyConstraint("id", name="pk_tally_folds"),
        if_not_exists=True,
    )


def _create_triggers() -> None:
    for subject in SUBJECTS:
        for event, tables in (
            ("INSERT", ADDED),
            ("UPDATE", f"{ADDED} {REMOVED}"),
            ("DELETE", REMOVED),
        ):
            op.execute(
                f"CREATE OR REPLACE TRIGGER tally_{event.lower()} AFTER {event} "
                f"ON {subject.table} REFERENCING {tables} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION tally_{subject.table}()"
            )
        op.execute(
            f"CREATE OR REPLACE TRIGGER tally_truncate AFTER TRUNCATE ON {subject.table} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION tally_truncation('{subject.name}')"
        )
    for table in FLAGS:
        for name, event in (
            ("count", f"INSERT ON {table} REFERENCING {ADDED}"),
            ("recount", f"UPDATE OR DELETE OR TRUNCATE ON {table}"),
        ):
            op.execute(
                f"CREATE OR REPLACE TRIGGER {name}_open_flags AFTER {event} "
                "FOR EACH STATEMENT EXECUTE FUNCTION count_open_flags()"
            )
