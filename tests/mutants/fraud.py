"""The guards around the fraud rules: what they are told, where they fire, what follows."""

from tests.mutants import Mutant

RULES, FACTS = "app/rules/fraud.py", "app/services/facts.py"
FRAUD, LOANS = "app/services/fraud.py", "app/services/loans.py"
DECISIONS, REPLAY = "app/services/decisions.py", "app/services/past_facts.py"
ON_RULES, ON_FACTS = "tests/rules/test_fraud.py", "tests/services/test_facts.py"
ON_HTTP, ON_EDITS = "tests/routes/test_fraud.py", "tests/routes/test_fraud_edits.py"
ON_REPLAY = "tests/test_cli_replay.py"

BEYOND = tuple(
    Mutant(f"fraud: {name} fires beyond its limit", RULES, old, old.replace("<=", "<"), ON_RULES)
    for name, old in (
        ("velocity", "facts.applications <= limit.threshold"),
        ("amount", "facts.amount <= limit.threshold"),
        ("email-domain", "facts.customers_of_domain <= limit.threshold"),
        ("shared-phone", "facts.others_with_phone <= limit.threshold"),
        ("income-jump", "facts.income <= limit.threshold * before"),
    )
)

FRAUDULENT = (
    *BEYOND,
    Mutant(
        "fraud: a new application is examined",
        LOANS,
        "        fraud.examine(actor, loan, known)\n",
        "        loan.__dict__['fraud_flags'] = []\n",
        f"{ON_HTTP} -k large_amount",
    ),
    Mutant(
        "fraud: an edited application is examined again",
        LOANS,
        "        fraud.reexamine(actor, customer, loan, changed)\n",
        "",
        f"{ON_EDITS} -k rules_that_read_it",
    ),
    Mutant(
        "fraud: an edited customer's applications are examined again",
        "app/services/customers.py",
        "            fraud.reexamine_open_applications(actor, customer, changed)\n",
        "",
        f"{ON_EDITS} -k new_phone",
    ),
    Mutant(
        "fraud: only the rules that read the edit are asked",
        FRAUD,
        "limits[name].is_on and rule.reads.intersection(changed)",
        "limits[name].is_on",
        f"{ON_EDITS} -k 'does_not_touch or stays_clear'",
    ),
    Mutant(
        "fraud: an edit clears what its rules found, and no person's flag",
        FRAUD,
        "[flag for flag in loan.fraud_flags if flag.rule in asked]",
        "list(loan.fraud_flags)",
        f"{ON_EDITS} -k only_a_person_clears",
    ),
    Mutant(
        "fraud: a finding that is cleared changes the entity tag",
        FRAUD,
        "reason=reason))\n    loan.updated_at = now()\n",
        "reason=reason))\n",
        f"{ON_EDITS} -k cleared_beside",
    ),
    Mutant(
        "fraud: a finding that is added changes the entity tag",
        FRAUD,
        "        loan.updated_at = now()\n        set_committed",
        "        set_committed",
        f"{ON_EDITS} -k beside_another",
    ),
    Mutant(
        "fraud: public providers are excepted",
        RULES,
        "facts.is_public_domain or ",
        "",
        f"{ON_RULES} -k public",
    ),
    Mutant(
        "fraud: a domain is the whole domain",
        FACTS,
        "_other.email_domain == func.lower(domain)",
        "_other.email_domain.endswith(domain)",
        f"{ON_HTTP} -k longer_domain",
    ),
    Mutant(
        "fraud: the domain's index holds no parameter",
        "app/models/customer.py",
        'func.split_part(cls.email, *map(literal_column, ("\'@\'", "-1")))',
        'func.split_part(cls.email, "@", literal_column("-1"))',
        f"{ON_FACTS} -k plan",
    ),
    Mutant(
        "fraud: 24 hours ago is no longer within 24 hours",
        FACTS,
        "_before.created_at > self.at - window",
        "_before.created_at >= self.at - window",
        f"{ON_FACTS} -k ago",
    ),
    Mutant(
        "fraud: a faster clock hides no application",
        FACTS,
        '"until": END_OF_TIME if is_new else loan.created_at',
        '"until": loan.created_at',
        f"{ON_FACTS} -k fast_clock",
    ),
    Mutant(
        "fraud: an edit is held against what came before",
        FACTS,
        '"until": END_OF_TIME if is_new else loan.created_at',
        '"until": END_OF_TIME',
        f"{ON_FACTS} -k came_later",
    ),
    Mutant(
        "fraud: of fifty at once three are the third at most",
        "app/services/access.py",
        "query = query.with_for_update().execution_options(populate_existing=True)",
        "query = query.execution_options(populate_existing=True)",
        f"{ON_HTTP} -k sent_at_once",
    ),
    Mutant(
        "fraud: an edited customer's applications are locked",
        FRAUD,
        "        .with_for_update(of=Loan)\n",
        "",
        "tests/test_races.py -k customers_edit_and_decisions",
    ),
    Mutant(
        "fraud: who comes to share a phone or domain does so in turn",
        FRAUD,
        "    _take_turn(customer)\n",
        "",
        "tests/test_races.py -k 'share_a_phone or join_a_domain'",
    ),
    Mutant(
        "fraud: what is decided is not examined again",
        FRAUD,
        ".where(Loan.customer_id == customer.id, Loan.status.in_(EDITABLE))",
        ".where(Loan.customer_id == customer.id)",
        f"{ON_EDITS} -k new_address",
    ),
    Mutant(
        "fraud: an edit is held against what was first declared",
        "app/models/loan.py",
        "in changed and getattr(self, name) is None:",
        "in changed:",
        f"{ON_EDITS} -k first_declared",
    ),
    Mutant(
        "fraud: an edit does not mend what came after",
        FACTS,
        "select(func.coalesce(_before.first_income, _before.income))",
        "select(_before.income)",
        f"{ON_EDITS} -k does_not_mend",
    ),
    Mutant(
        "fraud: of one moment, the id says which came first",
        FACTS,
        "tuple_(_before.created_at, _before.id) < tuple_(self.until, self.id),",
        "_before.created_at <= self.until,",
        f"{ON_FACTS} -k one_moment",
    ),
    Mutant(
        "fraud: a reason has room for six findings",
        FRAUD,
        'shorten(" ".join(found.reason for found in findings), REASON_LENGTH, placeholder=" …")',
        '" ".join(found.reason for found in findings)',
        f"{ON_HTTP} -k six_findings",
    ),
    Mutant(
        "fraud: public providers are written in one spelling",
        "app/config/fields.py",
        "frozenset(_normalized(name) for",
        "frozenset(name for",
        f"{ON_HTTP} -k one_spelling",
    ),
    Mutant(
        "policy: what is flagged is not approved unseen",
        DECISIONS,
        "if loan.status != LoanStatus.PENDING or most is None:",
        "if most is None:",
        f"{ON_HTTP} -k not_approved_by_the_policy",
    ),
    Mutant(
        "policy: up to the amount",
        DECISIONS,
        "loan.amount <= most and",
        "",
        f"{ON_HTTP} -k small_sure",
    ),
    Mutant(
        "policy: below the risk",
        DECISIONS,
        "loan.risk_score < risk_below",
        "loan.risk_score <= risk_below",
        f"{ON_HTTP} -k small_sure",
    ),
    Mutant(
        "replay: who came later was not there yet",
        REPLAY,
        ".where(*conditions, _then.created_at <= Loan.created_at)",
        ".where(*conditions)",
        f"{ON_REPLAY} -k own_time",
    ),
    Mutant(
        "replay: it cannot write",
        "app/db.py",
        ", postgresql_readonly=True",
        "",
        "tests/test_db.py -k snapshot",
    ),
    Mutant(
        "replay: one unchanging view",
        "app/db.py",
        'isolation_level="REPEATABLE READ"',
        'isolation_level="READ COMMITTED"',
        "tests/test_db.py -k snapshot",
    ),
    Mutant(
        "replay: no statement of it times out",
        "app/db.py",
        '        connection.execute(text("SET LOCAL statement_timeout = 0"))\n',
        "",
        "tests/test_db.py -k longer_than_a_statement",
    ),
)
