"""The guards of the search: that its tallies are right, and that its ways lead to the same."""

from tests.mutants import Mutant

MIGRATION = "migrations/versions/0007_search.py"
SERVICE = "app/services/search.py"
STATEMENTS = "app/services/sought.py"
MODEL = "app/models/customer.py"
CUSTOMERS = "app/services/customers.py"
FOUND = "tests/services/test_search.py"
TALLIED = "tests/services/test_search_tallies.py"

SEARCH = (
    *(
        Mutant(
            f"search: the letters of what is written by {event}",
            MIGRATION,
            f'    "{event}": "{rows}",\n',
            "",
            f"{TALLIED} -k {tests}",
        )
        for event, rows, tests in (
            ("INSERT", "REFERENCING NEW TABLE AS added", "services_do"),
            (
                "UPDATE",
                "REFERENCING NEW TABLE AS added OLD TABLE AS removed",
                "services_do",
            ),
            ("DELETE", "REFERENCING OLD TABLE AS removed", "services_do"),
            ("TRUNCATE", "", "many_rows"),
        )
    ),
    Mutant(
        "search: what changes no letters",
        MIGRATION,
        "GROUP BY month, status, text HAVING sum(number) <> 0;",
        "GROUP BY month, status, text;",
        f"{TALLIED} -k writes_nothing",
    ),
    Mutant(
        "search: months in UTC",
        MIGRATION,
        "created_at AT TIME ZONE 'UTC'",
        "created_at",
        f"{TALLIED} -k utcs",
    ),
    Mutant(
        "search: one fold at a time",
        MIGRATION,
        "IF NOT pg_try_advisory_xact_lock({FOLDING})\n        OR",
        "IF",
        f"{TALLIED} -k two_folds",
    ),
    Mutant(
        "search: a few changes are left",
        MIGRATION,
        "LIMIT few) AS first) < few",
        "LIMIT few) AS first) < 1",
        f"{TALLIED} -k portions",
    ),
    Mutant(
        "search: folded in portions",
        MIGRATION,
        "ORDER BY id LIMIT many)",
        "ORDER BY id)",
        f"{TALLIED} -k portions",
    ),
    Mutant(
        "search: what is folded is added",
        MIGRATION,
        "kept.number + excluded.number",
        "excluded.number",
        f"{TALLIED} -k many_rows",
    ),
    Mutant(
        "search: nobody folds while another counts anew",
        MIGRATION,
        "BEGIN\n    PERFORM pg_advisory_xact_lock({FOLDING});\n",
        "BEGIN\n",
        f"{TALLIED} -k counting_anew",
    ),
    Mutant(
        "search: what is not folded is not counted twice",
        MIGRATION,
        " UNION ALL SELECT month, status, text, -number FROM search_changes)",
        ")",
        f"{TALLIED} -k counting_anew",
    ),
    Mutant(
        "search: a name is one text",
        MIGRATION,
        "coalesce(first_name || ' ' || last_name,",
        "coalesce(",
        f"{FOUND} -k literally",
    ),
    Mutant(
        "search: fields are apart",
        MIGRATION,
        r"|| coalesce(email, '') || E'\x1f'",
        "|| coalesce(email, '')",
        f"{FOUND} -k literally",
    ),
    Mutant(
        "search: in any case",
        MIGRATION,
        "    SELECT lower(\n",
        "    SELECT (\n",
        f"{FOUND} -k literally",
    ),
    Mutant(
        "search: letters that mean something to a query",
        MIGRATION,
        r"replace(replace({}, '\', '\\'), '''', '''''')",
        "replace({}, '''', '''''')",
        f"{FOUND} -k 'everybody and gathering'",
    ),
    Mutant(
        "search: each three letters, wherever they begin",
        MIGRATION,
        "for first in range(1, letters + 1)",
        "for first in range(1, letters)",
        f"{FOUND} {TALLIED} -k 'literally or services_do'",
    ),
    Mutant(
        "search: a large book is counted when it is loaded",
        "seeding/load.py",
        '        sql.SQL("SELECT recount_search_tallies()"),\n',
        "",
        "tests/test_seed.py -k books_of_what_is_seeded",
    ),
    Mutant(
        "search: portion by portion",
        "app/services/tallies.py",
        "            if search.fold():\n                folder.wake()",
        "            search.fold()",
        f"{TALLIED} -k portion_by_portion",
    ),
    Mutant(
        "search: an applicant's own customers",
        CUSTOMERS,
        " or not actor.is_staff:",
        ":",
        f"{FOUND} -k their_own_customers_alone",
    ),
    Mutant(
        "search: with an external id beside",
        CUSTOMERS,
        " or external_id is not None",
        "",
        f"{FOUND} -k their_own_customers_alone",
    ),
    Mutant(
        "search: letters that become several",
        SERVICE,
        "if not rows or len(rows[0].sought) > LONGEST_GRAM:",
        "if not rows:",
        f"{FOUND} -k become_several",
    ),
    Mutant(
        "search: a walk without enough is given up",
        SERVICE,
        "if reach is None or len(found) == walk.wanted:",
        "if True:",
        f"{FOUND} -k far_longer",
    ),
    Mutant(
        "search: a walk that may be long has an end",
        SERVICE,
        "reach = None if walk.longest <= worth else walk.expected * UNEVEN + AT_LEAST",
        "reach = None",
        f"{FOUND} -k far_longer",
    ),
    Mutant(
        "search: what lies behind a cursor",
        SERVICE,
        "missing -= 0 if self.is_midway and at == 0 else month.found",
        "missing -= month.found",
        f"{FOUND} -k at_most_as_long",
    ),
    Mutant(
        "search: what few have is gathered",
        SERVICE,
        "if walk.expected <= worth:",
        "if True:",
        f"{FOUND} -k rare_ones_gathered",
    ),
    Mutant(
        "search: a page far down begins in its month",
        SERVICE,
        "until = start_of(month.starts_on) if month.starts_on else None",
        "until = None",
        f"{FOUND} -k 'everybody or far_down'",
    ),
    Mutant(
        "search: more than three letters stand in a row, for who gathers",
        STATEMENTS,
        "    if shape.is_long:\n",
        "    if False:\n",
        f"{FOUND} -k in_a_row_alone",
    ),
    Mutant(
        "search: more than three letters stand in a row, for who counts",
        STATEMENTS,
        "select(func.count()).where(Customer.found_by(sought), Customer.holds(sought))",
        "select(func.count()).where(Customer.found_by(sought))",
        f"{FOUND} -k in_a_row_alone",
    ),
    Mutant(
        "search: changes that are not folded",
        STATEMENTS,
        "case((holds, number), else_=NOTHING))",
        "NOTHING)",
        f"{FOUND} -k literally",
    ),
    Mutant(
        "search: plans do not know what for",
        MODEL,
        "select(func.search_query(sought)).scalar_subquery()",
        "func.search_query(sought)",
        f"{FOUND} -k reads_all_customers",
    ),
)
