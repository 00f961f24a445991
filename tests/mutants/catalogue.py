"""Every guard that matters, with the edit that takes it away and the tests that must go red."""

from tests.mutants import Mutant
from tests.mutants.caching import CACHING
from tests.mutants.console import AT_CONSOLE
from tests.mutants.deployment import DEPLOYED
from tests.mutants.exports import EXPORTED
from tests.mutants.fraud import FRAUDULENT
from tests.mutants.hardening import HARDENED
from tests.mutants.imports import IMPORTED
from tests.mutants.kept import KEPT
from tests.mutants.keys import KEYED
from tests.mutants.lists import LISTS
from tests.mutants.money import MONEY
from tests.mutants.network import CONNECTED
from tests.mutants.notices import NOTICES
from tests.mutants.replica import REPLICATED
from tests.mutants.search import SEARCH
from tests.mutants.second_factors import SECOND_FACTORS
from tests.mutants.seen import SEEN
from tests.mutants.signing_in import SIGNING_IN
from tests.mutants.tallies import TALLIES
from tests.mutants.workers import WORKERS

MUTANTS = (
    *AT_CONSOLE,
    *CACHING,
    *CONNECTED,
    *DEPLOYED,
    *EXPORTED,
    *FRAUDULENT,
    *HARDENED,
    *IMPORTED,
    *KEPT,
    *KEYED,
    *LISTS,
    *MONEY,
    *NOTICES,
    *REPLICATED,
    *SEARCH,
    *SEEN,
    *SECOND_FACTORS,
    *SIGNING_IN,
    *TALLIES,
    *WORKERS,
    Mutant(
        "the customer's lock, found by ref",
        "app/services/access.py",
        "query = query.with_for_update().execution_options(populate_existing=True)",
        "query = query.execution_options(populate_existing=True)",
        "tests/test_races.py -k changes_based_on_one_version",
    ),
    Mutant(
        "the customer's lock, for what leaves them as they are",
        "app/services/access.py",
        "(*inspect(Customer).columns).with_for_update())",
        "(*inspect(Customer).columns))",
        "tests/test_races.py -k applications_sent_at_once",
    ),
    Mutant(
        "the loan's lock",
        "app/services/access.py",
        "query = query.with_for_update(of=Loan).execution",
        "query = query.execution",
        "tests/test_races.py -k 'activation_and_withdrawal or racing_decisions'",
    ),
    Mutant(
        "a locked loan is read anew",
        "app/services/access.py",
        "(of=Loan).execution_options(populate_existing=True)",
        "(of=Loan)",
        "tests/services/test_access.py",
    ),
    Mutant(
        "the customer's lock beside a loan's",
        "app/services/access.py",
        "        .with_for_update()\n        .execution_options(populate_existing=True)",
        "        .execution_options(populate_existing=True)",
        "tests/test_races.py -k edits_made_at_once",
    ),
    Mutant(
        "If-Match",
        "app/services/actor.py",
        "if not expected & ",
        "if False and not expected & ",
        "tests/routes/test_customers.py -k stale",
    ),
    Mutant(
        "an applicant sees only their own loans",
        "app/services/access.py",
        "return query if sees_all else",
        "return query if sees_all or model is Loan else",
        "tests/test_access_matrix.py",
    ),
    Mutant(
        "an applicant sees only their own customers",
        "app/services/access.py",
        "return query if sees_all else",
        "return query if sees_all or model is Customer else",
        "tests/test_access_matrix.py",
    ),
    Mutant(
        "the map of transitions",
        "app/models/loan.py",
        "if status not in TRANSITIONS[self.status]:",
        "if False:",
        "tests/routes/test_decisions.py -k follows_the_map",
    ),
    Mutant(
        "too risky to approve",
        "app/services/decisions.py",
        "    if not risk.acceptable(risk_score):",
        "    if False:",
        "tests/routes/test_decisions.py -k too_risky",
    ),
    Mutant(
        "0.75 itself is too risky",
        "app/rules/risk.py",
        "return risk_score < ACCEPTABLE_BELOW",
        "return risk_score <= ACCEPTABLE_BELOW",
        "tests/rules/test_risk.py",
    ),
    Mutant(
        "half-even, exactly",
        "app/rules/risk.py",
        "Decimal(round(value * 10**places)).scaleb(-places)",
        "round(Decimal(float(value)), places)",
        "tests/rules/test_risk.py",
    ),
    Mutant(
        "the limit at application",
        "app/services/loans.py",
        "        credit.must_fit_the_limit(borrower, loan, known.debt if known else None)\n",
        "",
        "tests/routes/test_loans.py -k limit",
    ),
    Mutant(
        "the limit at an edit",
        "app/services/loans.py",
        "        credit.must_fit_the_limit(customer, loan)\n",
        "        pass\n",
        "tests/routes/test_loans.py -k limit",
    ),
    Mutant(
        "the limit at approval",
        "app/services/decisions.py",
        "(loan.risk_score)\n        must_fit_the_limit(customer, loan)\n",
        "(loan.risk_score)\n",
        "tests/routes/test_decisions.py -k lowered",
    ),
    Mutant(
        "only admins decide",
        "app/services/decisions.py",
        "actor.must_be_admin()\n    with transaction():\n        loan, customer = lock_loan_and"
        "_customer(actor, ref)\n        take(",
        "with transaction():\n        loan, customer = lock_loan_and_customer(actor, ref)\n"
        "        take(",
        "tests/routes/test_decisions.py -k only_admins",
    ),
    Mutant(
        "editing ends with the decision",
        "app/services/loans.py",
        "if loan.status not in EDITABLE:",
        "if False:",
        "tests/routes/test_loans.py -k decided_application",
    ),
    Mutant(
        "an inactive customer",
        "app/services/loans.py",
        "if borrower.status != CustomerStatus.ACTIVE:",
        "if False:",
        "tests/routes/test_loans.py -k inactive",
    ),
    Mutant(
        "staff alone set limits",
        "app/services/customers.py",
        "if not actor.is_staff and STAFF_SETS & values.keys():",
        "if False:",
        "tests/routes/test_customers.py -k neither_limit",
    ),
    Mutant(
        "append-only tables",
        "migrations/versions/0001_the_tables.py",
        "for table in APPEND_ONLY:",
        "for table in ():",
        "tests/models/test_constraints.py -k rewritten",
    ),
    Mutant(
        "transactions do not nest",
        "app/db.py",
        "if OPEN in session.info:",
        "if False:",
        "tests/test_db.py -k nest",
    ),
    Mutant(
        "the session is part of the transaction",
        "app/sessions.py",
        "        if lent is None:\n            return engine\n",
        "        if lent is not None:\n            return engine\n",
        "tests/test_db.py -k session_joined",
    ),
    Mutant(
        "what was rolled back is not told to be committed",
        "app/driver.py",
        '    if not words.startswith(result.command_status or b"?"):',
        "    if False:",
        "tests/test_db.py -k not_told_to_be_committed",
    ),
    Mutant(
        "who was given up is told as away",
        "app/driver.py",
        "    if not lent.is_valid:\n",
        "    if False:\n",
        "tests/test_db.py -k given_up",
    ),
    Mutant(
        "a transaction forgets what was read before it",
        "app/db.py",
        "    session.rollback()\n    session.expire_all()\n",
        "    session.rollback()\n",
        "tests/test_db.py -k had_read_before",
    ),
    Mutant(
        "the session leaves a transaction with it",
        "app/db.py",
        "            if session.in_transaction():\n                session.commit()",
        "            if False:\n                session.commit()",
        "tests/test_db.py -k session_joined",
    ),
    Mutant(
        "no write outside a transaction",
        "app/sessions.py",
        "if OPEN not in session.info and (session.new or session.dirty or session.deleted):",
        "if False:",
        "tests/test_db.py -k flush",
    ),
    Mutant(
        "a victim is run again",
        "app/services/runs.py",
        "        except Contended:\n            continue",
        "        except Contended:\n            raise",
        "tests/test_db.py -k victim",
    ),
    Mutant(
        "the whole last day",
        "app/services/pages.py",
        "last + timedelta(days=1)",
        "last",
        "tests/routes/test_reports.py -k range",
    ),
    Mutant(
        "a search is literal",
        "app/services/pages.py",
        "autoescape=True",
        "autoescape=False",
        "tests/routes/test_users.py -k narrowed",
    ),
    Mutant(
        "whose flags they are",
        "app/services/clearances.py",
        "        visible_loans(actor)\n        .with_only_columns(*shown",
        "        select(Loan)\n        .with_only_columns(*shown",
        "tests/routes/test_decisions.py -k stays_on_record",
    ),
    Mutant(
        "the tag of what has no version is made of what it shows",
        "app/web/endpoint.py",
        "made_of(response.get_data())",
        'made_of(b"")',
        "tests/web/test_tags.py -k no_version",
    ),
)
