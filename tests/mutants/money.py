"""The guards around money: locks, what PostgreSQL refuses, the ledger, who may move it."""

from tests.mutants import Mutant

LEDGER, PAYMENTS = "app/services/ledger.py", "app/services/payments.py"
ACCOUNTS, DECISIONS = "app/services/accounts.py", "app/services/decisions.py"
ACCESS = "app/services/access.py"
SPREAD, LOAN = "app/rules/distribution.py", "app/models/loan.py"
TABLES = "migrations/versions/0005_ledger.py"
RACES, ON_LEDGER = "tests/test_money_races.py", "tests/models/test_ledger.py"
ON_SPREAD = "tests/rules/test_distribution.py"
ON_PAYMENTS, ON_ACCOUNTS = "tests/routes/test_payments.py", "tests/routes/test_accounts.py"
MATRIX = "tests/test_access_matrix.py"
APPEND_ONLY = ("payments", "journal", "entries")
BALANCED = 'for table in {}:\n        op.execute(\n            f"CREATE CONSTRAINT'

LOCKED = (
    Mutant(
        "money: the payer's lock",
        PAYMENTS,
        "    lock_customer,\n",
        "    find_customer as lock_customer,\n",
        "tests/services/test_lock_order.py",
    ),
    Mutant(
        "money: the customer's lock when a payment is reversed",
        PAYMENTS,
        "        payer = lock_payer(actor, ref)\n        undone = find_payment(actor, ref)\n",
        "        undone = find_payment(actor, ref)\n"
        "        payer = find_customer(actor, str(undone.customer_id))\n",
        f"{RACES} -k 'reversed_once or leave_what_is_owed'",
    ),
    Mutant(
        "money: the customer's lock when an account moves",
        ACCOUNTS,
        "import find_customer, lock_customer, named",
        "import find_customer, find_customer as lock_customer, named",
        f"{RACES} -k 'first_deposits or deleted_from_under or leave_their_difference'",
    ),
    Mutant(
        "money: the account's lock",
        LEDGER,
        "with_for_update=True, populate_existing=True",
        "populate_existing=True",
        "tests/services/test_lock_order.py",
    ),
    Mutant(
        "money: the loans' locks",
        PAYMENTS,
        ".with_for_update().execution",
        ".execution",
        "tests/services/test_lock_order.py",
    ),
    Mutant(
        "money: the order of the loans' locks",
        PAYMENTS,
        "select(Loan).order_by(Loan.id)",
        "select(Loan)",
        "tests/services/test_lock_order.py",
    ),
)

REFUSED_BY_POSTGRESQL = (
    Mutant(
        "money: PostgreSQL refuses entries that do not balance",
        TABLES,
        BALANCED.format('("journal", "entries")'),
        BALANCED.format('("journal",)'),
        ON_LEDGER,
    ),
    Mutant(
        "money: PostgreSQL refuses a journal without entries",
        TABLES,
        BALANCED.format('("journal", "entries")'),
        BALANCED.format('("entries",)'),
        ON_LEDGER,
    ),
    Mutant(
        "money: PostgreSQL refuses a disbursement without a journal",
        TABLES,
        "WHEN (NEW.taken_at IS NOT NULL)",
        "WHEN (NEW.taken_at IS NULL)",
        "tests/test_migrations.py -k cannot_disburse_past_it",
    ),
    *(
        Mutant(
            f"money: {table} cannot be rewritten",
            TABLES,
            'APPEND_ONLY = ("payments", "journal", "entries")',
            f"APPEND_ONLY = {tuple(each for each in APPEND_ONLY if each != table)!r}",
            ON_LEDGER,
        )
        for table in APPEND_ONLY
    ),
    Mutant(
        "money: PostgreSQL refuses an account below zero",
        TABLES,
        'sa.CheckConstraint("balance >= 0",',
        'sa.CheckConstraint("balance >= -1000000",',
        ON_LEDGER,
    ),
    Mutant(
        "money: PostgreSQL bounds an account, and keeps NaN out",
        TABLES,
        'sa.CheckConstraint("balance <= 999999999999.99",',
        'sa.CheckConstraint("balance IS NOT NULL",',
        ON_LEDGER,
    ),
    Mutant(
        "money: an entry has the account of its book",
        TABLES,
        "book = 'cash' AND num_nonnulls",
        "true OR book = 'cash' AND num_nonnulls",
        ON_LEDGER,
    ),
    *(
        Mutant(
            f"money: one {column} in the journal",
            TABLES,
            'for column in ("external_id", "loan_id", "payment_id", "reverses"):\n'
            '        op.create_index(f"uq_journal_{column}", "journal", [column], unique=True)',
            'for column in ("external_id", "loan_id", "payment_id", "reverses"):\n'
            '        op.create_index(f"uq_journal_{column}", "journal", [column], '
            f'unique=column != "{column}")',
            ON_LEDGER,
        )
        for column in ("external_id", "loan_id", "payment_id", "reverses")
    ),
    *(
        Mutant(
            f"money: one {column} among the payments",
            TABLES,
            'op.create_index(f"uq_payments_{column}", "payments", [column], unique=True)',
            f'op.create_index(f"uq_payments_{{column}}", "payments", [column], '
            f'unique=column != "{column}")',
            ON_LEDGER,
        )
        for column in ("external_id", "reverses")
    ),
)

SPREAD_OUT = (
    Mutant(
        "money: the oldest debt comes first",
        SPREAD,
        "in sorted(debts, key=lambda debt: debt.age):",
        "in debts:",
        ON_SPREAD,
    ),
    Mutant(
        "money: of one instant the smaller id comes first",
        SPREAD,
        "return self.taken_at, self.loan_id",
        "return self.taken_at, UUID(int=0)",
        ON_SPREAD,
    ),
    Mutant(
        "money: a share is at most its debt",
        SPREAD,
        "min(left, debt.outstanding)",
        "left",
        ON_SPREAD,
    ),
    Mutant(
        "money: more than all debts is not spread",
        SPREAD,
        "if not NOTHING < total <= sum(debt.outstanding for debt in debts):",
        "if not NOTHING < total:",
        ON_SPREAD,
    ),
    Mutant(
        "money: more than the debt is rejected",
        PAYMENTS,
        "is_owed = total_amount <= sum(loan.outstanding for loan in loans.values())",
        "is_owed = bool(loans)",
        ON_PAYMENTS,
    ),
    Mutant(
        "money: only what is owed is paid",
        PAYMENTS,
        ", Loan.status == LoanStatus.ACTIVE",
        "",
        ON_PAYMENTS,
    ),
    Mutant(
        "money: a loan that owes nothing more is paid",
        PAYMENTS,
        "            loan.move_to(LoanStatus.PAID, by=actor.id)\n",
        "            pass\n",
        ON_PAYMENTS,
    ),
)

UNDONE = (
    Mutant(
        "money: a loan that owes again is reopened",
        PAYMENTS,
        "        if loan.status == LoanStatus.PAID:\n            loan.reopen",
        "        if False:\n            loan.reopen",
        ON_PAYMENTS,
    ),
    Mutant(
        "money: only a reversal reopens a loan",
        LOAN,
        "    LoanStatus.PAID: frozenset(),",
        "    LoanStatus.PAID: frozenset((LoanStatus.ACTIVE,)),",
        f"{ON_PAYMENTS} -k not_disbursed_again",
    ),
    Mutant(
        "money: what moved nothing is not reversed",
        PAYMENTS,
        "if payment.status != PaymentStatus.COMPLETED:",
        "if False:",
        ON_PAYMENTS,
    ),
    Mutant(
        "money: a reversal gives back to the account",
        PAYMENTS,
        "    sink = credit(account, payment.total_amount)",
        "    sink = credit(CASH, payment.total_amount)",
        ON_PAYMENTS,
    ),
    Mutant(
        "money: only deposits and withdrawals are reversed as entries",
        ACCOUNTS,
        "if undone.journal.kind not in (JournalKind.DEPOSIT, JournalKind.WITHDRAWAL):",
        "if False:",
        ON_ACCOUNTS,
    ),
    Mutant(
        "money: an entry is reversed on its own customer's account",
        ACCOUNTS,
        "query.where(Entry.customer_id == customer.id, named(Journal, ref))",
        "query.where(Entry.customer_id.isnot(None), named(Journal, ref))",
        ON_ACCOUNTS,
    ),
)

HELD = (
    Mutant(
        "money: an account cannot hold more than a number can",
        LEDGER,
        "    if balance > FULL:\n        raise AccountFull\n",
        "",
        ON_ACCOUNTS,
    ),
    Mutant(
        "money: a disbursement goes into the account",
        DECISIONS,
        "credit(account, loan.amount)",
        "credit(ledger.CASH, loan.amount)",
        ON_ACCOUNTS,
    ),
    Mutant(
        "money: applicants do not pay",
        PAYMENTS,
        "    actor.must_be_staff()\n",
        "",
        MATRIX,
    ),
    Mutant(
        "money: applicants do not move accounts",
        ACCOUNTS,
        "    actor.must_be_staff()\n",
        "",
        MATRIX,
    ),
    Mutant(
        "money: officers do not reverse payments",
        PAYMENTS,
        "    actor.must_be_admin()\n",
        "",
        MATRIX,
    ),
    Mutant(
        "money: officers do not reverse entries",
        ACCOUNTS,
        "    actor.must_be_admin()\n",
        "",
        MATRIX,
    ),
    Mutant(
        "money: an applicant sees the payments of their own customers",
        ACCESS,
        "    query = select(Payment)\n    if not actor.is_staff:",
        "    query = select(Payment)\n    if False:",
        "tests/services/test_access.py",
    ),
)

MONEY = (
    *LOCKED,
    *REFUSED_BY_POSTGRESQL,
    *SPREAD_OUT,
    *UNDONE,
    *HELD,
)
