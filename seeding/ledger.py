"""What the ledger has of a loan: its disbursement, its payments, what was withdrawn of it.

Like the book, lines for COPY. What is booked on a customer's account is put aside as lines of its
own: the account of many loans has one order and one balance, which only PostgreSQL sees whole.
"""

from dataclasses import dataclass, field
from random import Random

from seeding.ids import DAY_MS, text, uuid7_hex
from seeding.life import Life

NULL = r"\N"
PAYMENT_COLUMNS = (
    "id, external_id, customer_id, total_amount, status, source, paid_at, created_by, created_at"
)
JOURNAL_COLUMNS = "id, kind, loan_id, payment_id, actor_id, actor_kind, at"
ENTRY_COLUMNS = "journal_id, book, loan_id, direction, amount, balance_after"
HOLDING_COLUMNS = "journal_id, customer_id, at, amount"
# Most take at once what they were lent; some leave a part of it, some all of it.
WITHDRAWING = 0.7
WITHDRAWING_ALL = 0.5


@dataclass(frozen=True, slots=True)
class LedgerLines:
    """The lines of some loans, for the tables of these names; `holdings` are of accounts."""

    payments: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    holdings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Lent:
    """A loan with those who have to do with it, by their ids; `amount` in cents."""

    id: str
    external_id: str | None
    customer: str
    officer: str
    admin: str
    amount: int


def write(lines: LedgerLines, random: Random, loan: Lent, life: Life, until: int) -> None:
    """Add what was booked of a loan before `until`; nothing if it was never disbursed."""
    if life.taken_at is None:
        return
    _disburse(lines, random, loan, life.taken_at)
    _withdraw(lines, random, loan, life.taken_at, until)
    owed = loan.amount
    for number, (at, paid) in enumerate(life.payments, start=1):
        owed -= paid
        _pay(lines, random, loan, number, at, paid, owed)


def _disburse(lines: LedgerLines, random: Random, loan: Lent, at: int) -> None:
    journal, told = uuid7_hex(at, random), text(at)
    lines.journal.append(
        f"{journal}\tdisbursement\t{loan.id}\t{NULL}\t{loan.admin}\tuser\t{told}\n"
    )
    lines.entries.append(
        f"{journal}\treceivable\t{loan.id}\tdebit\t{loan.amount}e-2\t{loan.amount}e-2\n"
    )
    lines.holdings.append(f"{journal}\t{loan.customer}\t{told}\t{loan.amount}e-2\n")


def _withdraw(lines: LedgerLines, random: Random, loan: Lent, taken_at: int, until: int) -> None:
    at = taken_at + int((0.02 + 2 * random.random()) * DAY_MS)
    inclined = random.random()
    if at >= until or inclined >= WITHDRAWING:
        return
    amount = loan.amount if inclined < WITHDRAWING_ALL else loan.amount * 9 // 10
    journal, told = uuid7_hex(at, random), text(at)
    lines.journal.append(f"{journal}\twithdrawal\t{NULL}\t{NULL}\t{loan.officer}\tuser\t{told}\n")
    lines.entries.append(f"{journal}\tcash\t{NULL}\tcredit\t{amount}e-2\t{NULL}\n")
    lines.holdings.append(f"{journal}\t{loan.customer}\t{told}\t-{amount}e-2\n")


def _pay(
    lines: LedgerLines, random: Random, loan: Lent, number: int, at: int, paid: int, owed: int
) -> None:
    payment, journal, told = uuid7_hex(at, random), uuid7_hex(at, random), text(at)
    external = f"P-{loan.external_id}-{number}" if loan.external_id else NULL
    lines.payments.append(
        f"{payment}\t{external}\t{loan.customer}\t{paid}e-2\tCOMPLETED\texternal\t{told}\t"
        f"{loan.officer}\t{told}\n"
    )
    lines.journal.append(f"{journal}\tpayment\t{NULL}\t{payment}\t{loan.officer}\tuser\t{told}\n")
    lines.entries.append(
        f"{journal}\tcash\t{NULL}\tdebit\t{paid}e-2\t{NULL}\n"
        f"{journal}\treceivable\t{loan.id}\tcredit\t{paid}e-2\t{owed}e-2\n"
    )
