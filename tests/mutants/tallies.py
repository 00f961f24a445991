"""The guards that keep the tallies what there is."""

from tests.mutants import Mutant

MIGRATION = "migrations/versions/0006_tallies.py"
MODEL = "app/models/tally.py"
SERVICE = "app/services/tallies.py"
REPORTS = "app/services/reports.py"
GENERATIONS = "app/services/generations.py"

TESTS = "tests/services/test_tallies.py"
FOLDING = "tests/services/test_folding.py"
PORTFOLIO = "tests/services/test_portfolio.py"
UNDER_LOAD = "tests/services/test_exact_under_load.py"
ANY = "tests/services/test_any_statement.py"
GENERATION_TESTS = "tests/services/test_generations.py"
OF_FLAGS_NOW = """\
(
        SELECT count(*) FROM fraud_flags WHERE loan_id = loans.id
        AND NOT EXISTS (SELECT FROM flag_clearances WHERE flag_id = fraud_flags.id))
"""
IN_TWO_STEPS = """\
    CREATE TEMPORARY TABLE seen ON COMMIT DROP AS
        SELECT {COLUMNS} FROM tally_changes WHERE transaction_id >= unfolded_from;
    PERFORM pg_sleep(0.02);
    DELETE FROM tally_changes WHERE transaction_id >= unfolded_from;
    WITH folded AS (SELECT {COLUMNS} FROM seen)"""

TALLIES = (
    Mutant(
        "tallies: of what is inserted",
        MIGRATION,
        '            ("INSERT", ADDED),\n',
        "",
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: of what is updated",
        MIGRATION,
        '            ("UPDATE", f"{ADDED} {REMOVED}"),\n',
        "",
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: of what is deleted",
        MIGRATION,
        '            ("DELETE", REMOVED),\n',
        "",
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: of what is truncated",
        MIGRATION,
        "tally_truncation('{subject.name}')",
        "tally_truncation('nothing')",
        f"{TESTS} -k one_by_one",
    ),
    Mutant(
        "tallies: of what is truncated and was folded",
        MIGRATION,
        "subject = TG_ARGV[0] AND span = 'day'",
        "subject = TG_ARGV[0] AND span = 'never'",
        f"{TESTS} -k one_by_one",
    ),
    Mutant(
        "tallies: of any statement",
        MIGRATION,
        "summed(f\"{each.lines('added')} UNION ALL {each.lines('removed', '-')}\")",
        "summed(each.lines('added'))",
        ANY,
    ),
    Mutant(
        "tallies: many rows write few changes",
        MIGRATION,
        "PERFORM FROM added OFFSET 1;",
        "PERFORM FROM added OFFSET 1000000;",
        f"{TESTS} -k 'few_changes or each_day_and_kind'",
    ),
    Mutant(
        "tallies: what changes nothing writes nothing",
        MIGRATION,
        '<> (0, 0, 0, 0)"\n',
        '<> (0, 0, 0, 1)"\n',
        f"{TESTS} -k each_day_and_kind",
    ),
    Mutant(
        "tallies: days are UTC's",
        MIGRATION,
        "({self.at} AT TIME ZONE 'UTC')::date",
        "({self.at})::date",
        f"{TESTS} -k utcs",
    ),
    Mutant(
        "tallies: flagged apart from unflagged",
        MIGRATION,
        '"open_flags > 0"',
        '"open_flags < 0"',
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: a flag is counted",
        MIGRATION,
        "SET open_flags = open_flags + flagged.number",
        "SET open_flags = open_flags",
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: an answered flag is not counted",
        MIGRATION,
        "SET open_flags = open_flags - cleared.number",
        "SET open_flags = open_flags",
        f"{TESTS} -k services_do",
    ),
    Mutant(
        "tallies: flags that are truncated are not counted",
        MIGRATION,
        '            ("recount", f"UPDATE OR DELETE OR TRUNCATE ON {table}"),\n',
        "",
        f"{TESTS} -k one_by_one",
    ),
    Mutant(
        "folds: one at a time",
        MIGRATION,
        "        OR NOT pg_try_advisory_xact_lock({LOCK}) THEN",
        "        THEN",
        f"{TESTS} -k 'one_is_made'",
    ),
    Mutant(
        "folds: of days, months and ever",
        MIGRATION,
        "            ('day', day), ('month', date_trunc('month', day::timestamp)::date), (",
        "            ('day', day), (",
        f"{TESTS} -k one_by_one",
    ),
    Mutant(
        "folds: what comes to nothing is removed",
        MIGRATION,
        "kept.amount + changed.amount, kept.outstanding + changed.outstanding) = (0, 0, 0, 0)",
        "kept.amount + changed.amount, kept.outstanding + changed.outstanding) = (0, 0, 0, -1)",
        f"{TESTS} -k come_to_nothing",
    ),
    Mutant(
        "folds: whoever is still writing is not overtaken",
        MIGRATION,
        "VALUES (1, {XMIN})",
        "VALUES (1, pg_snapshot_xmax(pg_current_snapshot())::text::bigint)",
        f"{PORTFOLIO} -k began_later",
    ),
    Mutant(
        "folds: what is moved is moved at one instant, seen under load",
        MIGRATION,
        "    WITH folded AS (\n"
        "        DELETE FROM tally_changes WHERE transaction_id >= unfolded_from "
        "RETURNING {COLUMNS}\n    )",
        IN_TWO_STEPS,
        UNDER_LOAD,
    ),
    Mutant(
        "folds: after transactions were numbered anew",
        MIGRATION,
        "(SELECT folded_below FROM tally_folds WHERE folded_below <= {XMIN}), 0)",
        "(SELECT folded_below FROM tally_folds), 0)",
        f"{PORTFOLIO} -k numbered_anew",
    ),
    Mutant(
        "tallies: read after transactions were numbered anew",
        MODEL,
        '        <= literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")',
        '        > literal_column("0")',
        f"{PORTFOLIO} -k numbered_anew",
    ),
    Mutant(
        "tallies: read before anything was folded",
        MODEL,
        '    literal_column("0"),\n)',
        '    literal_column("NULL"),\n)',
        f"{PORTFOLIO} -k numbered_anew",
    ),
    Mutant(
        "tallies: what was folded is not looked at",
        REPORTS,
        "TallyChange.is_unfolded(), ",
        "",
        f"{PORTFOLIO} -k old_view",
    ),
    Mutant(
        "tallies: what is not folded yet is read",
        REPORTS,
        "union_all(*_folded(is_ranged), _changed(is_ranged))",
        "union_all(*_folded(is_ranged))",
        f"{PORTFOLIO} -k range",
    ),
    Mutant(
        "tallies: a month without an application is not told of",
        REPORTS,
        '        .having(number != literal_column("0"))\n',
        "",
        f"{PORTFOLIO} -k none_is_of",
    ),
    Mutant(
        "recount: nothing is left of what was folded",
        MIGRATION,
        "    WITH forgotten AS (DELETE FROM tallies)\n",
        "",
        f"{FOLDING} -k counted_anew",
    ),
    Mutant(
        "recount: nothing is left of what was not",
        MIGRATION,
        '(*(summed(each.lines(each.table)) for each in SUBJECTS), f"{TAKEN} FROM tally_changes")',
        "(*(summed(each.lines(each.table)) for each in SUBJECTS),)",
        f"{FOLDING} -k counted_anew",
    ),
    Mutant(
        "recount: of flags too",
        MIGRATION,
        "BEGIN\n    PERFORM recount_open_flags();\n    DELETE",
        "BEGIN\n    DELETE",
        f"{FOLDING} -k counted_anew",
    ),
    Mutant(
        "recount: a flag that comes meanwhile",
        MIGRATION,
        "SET open_flags = loans.open_flags + missing.number\n",
        f"SET open_flags = {OF_FLAGS_NOW}",
        f"{FOLDING} -k flag_that_comes",
    ),
    Mutant(
        "recount: nobody folds meanwhile",
        MIGRATION,
        "    PERFORM pg_advisory_xact_lock({LOCK});\n",
        "",
        f"{FOLDING} -k only_while_nobody_folds",
    ),
    Mutant(
        "recount: when tallies are introduced",
        MIGRATION,
        '        op.execute("SELECT recount_tallies()")\n',
        "",
        "tests/test_migrations.py -k before_the_tallies",
    ),
    Mutant(
        "recount: when a book is loaded",
        "seeding/load.py",
        '        sql.SQL("SELECT recount_tallies()"),\n',
        "",
        "tests/test_seed.py -k books_of_what_is_seeded",
    ),
    Mutant(
        "folding: after a commit",
        "app/db.py",
        "    _run_all(current_app.extensions.get(_EACH, ()))\n",
        "",
        f"{FOLDING} -k it_has_committed",
    ),
    Mutant(
        "folding: by whoever serves",
        SERVICE,
        "        if folder.has_begun:\n",
        "        if True:\n",
        f"{FOLDING} -k does_not_serve",
    ),
    Mutant(
        "folding: at a worker's start",
        "gunicorn.conf.py",
        'for name in ("notices", "tallies", "queue"):',
        'for name in ("notices", "queue"):',
        f"{FOLDING} -k at_its_start",
    ),
    Mutant(
        "folding: quietly",
        SERVICE,
        "with suppress(DatabaseAway, DatabaseBusy, PoolTimeout):",
        "with suppress(DatabaseBusy, PoolTimeout):",
        f"{FOLDING} -k tells_nothing",
    ),
    Mutant(
        "work in the background rests",
        "app/background.py",
        "                self._closed.wait(self._rest)\n",
        "",
        "tests/test_background.py -k rests",
    ),
    Mutant(
        "generation: none while it is raised",
        GENERATIONS,
        "IS DISTINCT FROM 'raised'\"",
        "IS DISTINCT FROM 'never'\"",
        f"{GENERATION_TESTS} -k raised_itself",
    ),
    Mutant(
        "generation: raised by each transaction",
        MIGRATION,
        "set_config(raised, 'raised', true)",
        "set_config(raised, 'raised', false)",
        GENERATION_TESTS,
    ),
    Mutant(
        "generation: raised once a transaction",
        MIGRATION,
        "IF current_setting(raised, true) = 'raised' THEN",
        "IF false THEN",
        f"{GENERATION_TESTS} -k once_a_transaction",
    ),
)
