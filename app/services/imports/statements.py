"""What is asked of PostgreSQL about a chunk of an import: all its lines at once.

A line whose fields are all plain is taken as it stands. Whatever else there may be, lawful or not,
is doubtful, and left to the judgement of the API's own schema: what is plain is a part of what that
accepts, and says the same there.
"""

from app.services.imports.cutting import SEPARATOR

PARTS = 2
VALUE_AT_MOST = 200
# Without repetitions up to a number: PostgreSQL takes ten times as long for those.
NAME = "^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_NAME = 31  # shorter than anything that looks like an id
DECIMALS = r"^(0|[1-9][0-9]*)(\.[0-9][0-9]?)?$"
LONGEST_DECIMALS = 12
DAY = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
MOMENT = f"^20[0-9][0-9]-{DAY}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$"

# Both workers read every line; each goes on with those whose external ids fall to it, so that of
# two lines with the same one the first is always the first.
_LINES = f"""
lines AS MATERIALIZED (
    SELECT chunk.first_line + place::int - 1 AS line, numbered.text,
        string_to_array(numbered.text, '{SEPARATOR}') AS fields
    FROM customer_import_chunks AS chunk,
        string_to_table(chunk.text, E'\\n') WITH ORDINALITY AS numbered (text, place)
    WHERE chunk.import_id = %(import_id)s AND chunk.number = %(chunk)s AND numbered.text <> ''
        AND (hashtext(split_part(numbered.text, '{SEPARATOR}', 1)) & {PARTS - 1}) = %(part)s
)"""  # noqa: S608 (of constants alone)
_IS_PLAIN = f"""(
    cardinality(fields) IN (2, 3)
    AND length(fields[1]) <= {LONGEST_NAME} AND fields[1] ~ '{NAME}'
    AND lower(fields[1]) NOT IN ('imports', 'export')
    AND length(fields[2]) <= {LONGEST_DECIMALS} AND fields[2] ~ '{DECIMALS}'
    AND (coalesce(fields[3], '') = '' OR fields[3] ~ '{MOMENT}')
)"""

DOUBTFUL = f"WITH {_LINES} SELECT line, text FROM lines WHERE NOT {_IS_PLAIN}"  # noqa: S608 (as above)

_GOOD = """
good AS MATERIALIZED (
    SELECT line, text, fields[1] AS external_id, fields[2]::numeric(14, 2) AS credit_limit,
        nullif(fields[3], '')::timestamptz AS preapproved_at
    FROM lines WHERE line NOT IN (SELECT unnest(%(good)s::int[] || %(bad)s::int[]))
    UNION ALL
    SELECT * FROM unnest(
        %(good)s::int[], %(texts)s::text[], %(external_ids)s::text[],
        %(credit_limits)s::numeric(14, 2)[], %(preapproved)s::timestamptz[]
    )
), first AS MATERIALIZED (
    SELECT DISTINCT ON (external_id COLLATE "C") * FROM good
    ORDER BY external_id COLLATE "C", line
)"""
# In one order for all, so that two imports of the same external ids cannot lock each other out.
_CREATED = """
created AS (
    INSERT INTO customers (
        id, external_id, credit_limit, preapproved_at, status, version, created_by, created_at,
        updated_at
    )
    SELECT (%(ids)s || lpad(to_hex(row_number() OVER ()), 8, '0'))::uuid, external_id,
        credit_limit, preapproved_at, 'ACTIVE', 1, %(created_by)s, now(), now()
    FROM (
        SELECT * FROM first WHERE NOT EXISTS (
            SELECT FROM retired_external_ids AS retired
            WHERE retired.external_id = first.external_id
        ) ORDER BY external_id COLLATE "C"
    ) AS in_order
    ON CONFLICT (external_id) DO NOTHING RETURNING external_id
)"""
_WOULD_BE_CREATED = """
created AS (
    INSERT INTO customer_import_names (import_id, external_id)
    SELECT %(import_id)s, external_id FROM first
    WHERE NOT EXISTS (
        SELECT FROM customers WHERE customers.external_id = first.external_id
    ) AND NOT EXISTS (
        SELECT FROM retired_external_ids AS retired
        WHERE retired.external_id = first.external_id
    )
    ON CONFLICT DO NOTHING RETURNING external_id
)"""
# Not as joins, for which nobody tells PostgreSQL how many lines there are.
_SETTLED = f"""
refused AS (
    INSERT INTO customer_import_errors (import_id, line, value, reason)
    SELECT %(import_id)s, line, left(replace(text, '{SEPARATOR}', ','), {VALUE_AT_MOST}), %(taken)s
    FROM good WHERE (line IN (
        SELECT line FROM first WHERE (external_id IN (SELECT external_id FROM created)) IS TRUE
    )) IS NOT TRUE
    UNION ALL
    SELECT %(import_id)s, * FROM unnest(%(bad)s::int[], %(values)s::text[], %(reasons)s::text[])
    RETURNING line
)
UPDATE customer_import_parts SET
    next_chunk = next_chunk + 1,
    processed = processed + (SELECT count(*) FROM good) + cardinality(%(bad)s::int[]),
    created = created + (SELECT count(*) FROM created),
    rejected = rejected + (SELECT count(*) FROM refused),
    failures = 0,
    leased_until = clock_timestamp() + %(lasting)s
WHERE import_id = %(import_id)s AND part = %(part)s
"""  # noqa: S608 (as above)
CREATE = f"WITH {_LINES}, {_GOOD}, {_CREATED}, {_SETTLED}"
TRY = f"WITH {_LINES}, {_GOOD}, {_WOULD_BE_CREATED}, {_SETTLED}"
