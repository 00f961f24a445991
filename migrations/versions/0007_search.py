"""Search: customers found by any part of their name, e-mail, phone and external id.

An index of every three letters in a row finds them; tallies of every one, two and three letters
know how many they are. What a statement changes of the tallies is written down by triggers in rows
of its own, as whole texts, which are taken apart and folded into the tallies later.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

INDEX = "ix_customers_search_vector"
# Each between separators that none of them holds and nobody can ask for.
SEARCH_TEXT = r"""
CREATE OR REPLACE FUNCTION search_text(
    first_name varchar, last_name varchar, email varchar, phone varchar, external_id varchar
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT lower(
        coalesce(first_name || ' ' || last_name, first_name, last_name, '') || E'\x1f'
        || coalesce(email, '') || E'\x1f' || coalesce(phone, '') || E'\x1f'
        || coalesce(external_id, '')
    )
$$
"""


def cut(letters: int) -> str:
    """The array of every so many letters in a row of `search_text`; fewer before a separator.

    By built-in functions that go through the whole text, which takes half as long as a function
    for each piece would.
    """
    each, gap = f"'({'.' * letters})'", r"E'\x1f'"
    laid_end_to_end = (
        rf"regexp_replace(substr(search_text, {first}), {each}, E'\\1\x1f', 'g')"
        for first in range(1, letters + 1)
    )
    return f"string_to_array({f' || {gap} || '.join(laid_end_to_end)}, {gap})"


# One or two letters are the beginning of some three. Its cost, and that it is no plain SQL, keeps
# plans from taking it for something to compute for one customer after the other.
SEARCH_VECTOR = f"""
CREATE OR REPLACE FUNCTION search_vector(search_text text) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 100 AS $$
BEGIN
    RETURN array_to_tsvector(array_remove({cut(3)}, ''));
END $$
"""
# Each once; and the empty text, which all have.
SEARCH_GRAMS = rf"""
CREATE OR REPLACE FUNCTION search_grams(search_text text) RETURNS SETOF text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE ROWS 150 AS $$
BEGIN
    RETURN QUERY SELECT unnest(ARRAY[''] || tsvector_to_array(array_to_tsvector(array_remove(
        string_to_array(replace(search_text, E'\x1f', ''), NULL) || {cut(2)} || {cut(3)}, ''
    ))));
END $$
"""
# As a word of a tsquery, whatever it holds.
QUOTED = r"'''' || replace(replace({}, '\', '\\'), '''', '''''') || ''''"
# What finds a text by the three letters it has, or by up to three that it begins with.
SEARCH_QUERY = rf"""
CREATE OR REPLACE FUNCTION search_query(search_text text) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF length(search_text) < 3 THEN
        RETURN {QUOTED.format("search_text")} || ':*';
    END IF;
    RETURN (
        SELECT string_agg({QUOTED.format("gram")}, ' & ') FROM unnest({cut(3)}) AS gram
        WHERE length(gram) = 3
    );
END $$
"""  # noqa: S608
FOLDING = "hashtextextended('search_tallies', 0)"
KEPT = "month, status, text, number"
WRITE = f"INSERT INTO search_changes ({KEPT})"


def lines(rows: str, number: int) -> str:
    """What `rows` of customers add to the tallies, or take from them."""
    return (
        "SELECT date_trunc('month', created_at AT TIME ZONE 'UTC')::date, status, "  # noqa: S608
        f"search_text(first_name, last_name, email, phone, external_id), {number} FROM {rows}"
    )


# Whoever truncates customers has them alone, and waits for the changes that another is folding.
NOTE_SEARCH_CHANGES = f"""
CREATE OR REPLACE FUNCTION note_search_changes() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {WRITE} {lines("added", 1)};
    ELSIF TG_OP = 'DELETE' THEN
        {WRITE} {lines("removed", -1)};
    ELSIF TG_OP = 'UPDATE' THEN
        {WRITE} SELECT month, status, text, sum(number)
            FROM ({lines("added", 1)} UNION ALL {lines("removed", -1)}) AS lines ({KEPT})
            GROUP BY month, status, text HAVING sum(number) <> 0;
    ELSE
        DELETE FROM search_changes;
        DELETE FROM search_tallies;
    END IF;
    RETURN NULL;
END $$
"""  # noqa: S608
# What is moved is out of the one table and in the other at the same instant.
FOLD_SEARCH_CHANGES = f"""
CREATE OR REPLACE FUNCTION fold_search_changes(few bigint, many bigint) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT SET work_mem = '32MB' SET jit = off AS $$
DECLARE
    number_folded bigint := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock({FOLDING})
        OR (SELECT count(*) FROM (SELECT FROM search_changes LIMIT few) AS first) < few
    THEN
        RETURN 0;
    END IF;
    WITH folded AS (
        DELETE FROM search_changes WHERE id <= (
            SELECT max(id) FROM (SELECT id FROM search_changes ORDER BY id LIMIT many) AS first
        ) RETURNING {KEPT}
    ), added AS (
        INSERT INTO search_tallies AS kept (gram, month, status, number)
        SELECT gram, month, status, sum(number) FROM folded, search_grams(text) AS gram
        GROUP BY gram, month, status HAVING sum(number) <> 0
        ON CONFLICT (gram, month, status) DO UPDATE SET number = kept.number + excluded.number
    )
    SELECT count(*) INTO number_folded FROM folded;
    RETURN number_folded;
END $$
"""  # noqa: S608
# In one view of everything, so that nobody has to stop writing meanwhile: a transaction is in it
# with its customers and its changes, or with neither.
RECOUNT_SEARCH_TALLIES = f"""
CREATE OR REPLACE FUNCTION recount_search_tallies() RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT SET work_mem = '256MB' SET jit = off AS $$
BEGIN
    PERFORM pg_advisory_xact_lock({FOLDING});
    DELETE FROM search_tallies;
    INSERT INTO search_tallies (gram, month, status, number)
    SELECT gram, month, status, sum(number)
    FROM ({lines("customers", 1)} UNION ALL SELECT month, status, text, -number FROM search_changes)
        AS lines ({KEPT}), search_grams(text) AS gram
    GROUP BY gram, month, status HAVING sum(number) <> 0
    ORDER BY gram, month, status;
END $$
"""  # noqa: S608
FUNCTIONS = {
    "search_text": SEARCH_TEXT,
    "search_vector": SEARCH_VECTOR,
    "search_grams": SEARCH_GRAMS,
    "search_query": SEARCH_QUERY,
    "note_search_changes": NOTE_SEARCH_CHANGES,
    "fold_search_changes": FOLD_SEARCH_CHANGES,
    "recount_search_tallies": RECOUNT_SEARCH_TALLIES,
}
NOTED = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "UPDATE": "REFERENCING NEW TABLE AS added OLD TABLE AS removed",
    "DELETE": "REFERENCING OLD TABLE AS removed",
    "TRUNCATE": "",
}


def upgrade() -> None:
    """May be run again where it was interrupted: what there is already is left or replaced."""
    for function in FUNCTIONS.values():
        op.execute(function)
    _create_tables()
    for event, rows in NOTED.items():
        op.execute(
            f"CREATE OR REPLACE TRIGGER search_{event.lower()} AFTER {event} ON customers {rows} "
            "FOR EACH STATEMENT EXECUTE FUNCTION note_search_changes()"
        )
    # From here on everybody keeps them; what was there before is counted while others write.
    with op.get_context().autocommit_block():
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")
        op.execute(
            f"CREATE INDEX CONCURRENTLY {INDEX} ON customers USING gin "
            "(search_vector(search_text(first_name, last_name, email, phone, external_id)))"
        )
        op.execute("SELECT recount_search_tallies()")
        op.execute("ANALYZE search_tallies")


def downgrade() -> None:
    op.execute("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
    op.drop_index(INDEX, "customers")
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function} CASCADE")
    for table in ("search_changes", "search_tallies"):
        op.drop_table(table)


def _create_tables() -> None:
    op.create_table(
        "search_tallies",
        sa.Column("gram", sa.Text(collation="C"), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gram", "month", "status", name="pk_search_tallies"),
        postgresql_with={"fillfactor": 80},  # room to update a row within its page
        if_not_exists=True,
    )
    op.create_table(
        "search_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_changes"),
        if_not_exists=True,
    )
