"""A lender's book of any size, as lines for COPY; the same lines for the same seed and day.

It imports nothing of the service, so that the processes that write the lines start at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import NamedTuple
from unicodedata import normalize

from seeding import ledger
from seeding.ids import milliseconds, text, uuid7_hex
from seeding.ledger import NULL, LedgerLines, Lent
from seeding.life import MONTH_MS, Figures, Life, live
from seeding.score import hundredths
from seeding.words import FIRST_NAMES, LAST_NAMES, PURPOSES

AGE = timedelta(days=3 * 365)
CHUNK = 5_000
# A fifth of the customers came in the months before the first loan, the rest along with the loans.
EARLY_SHARE = 0.2
EARLY = timedelta(days=90)
CUSTOMERS_BY_DOMAIN = 8
INACTIVE = 0.02
WITH_LINE_OF_CREDIT = 0.3
STRAINED = 0.05
FLAGGED = "FLAGGED"
DECIDED_BY_ADMINS = ("APPROVED", "REJECTED", FLAGGED, "ACTIVE")
LOAN_COLUMNS = (
    "id, external_id, customer_id, amount, term_months, purpose, income, expenses, risk_score, "
    "status, outstanding, contract_version, maximum_payment_date, taken_at, open_flags, "
    "created_by, version, created_at, updated_at"
)
EVENT_COLUMNS = 'id, loan_id, from_status, to_status, at, "by", reason'
FLAG_COLUMNS = "id, loan_id, rule, reason, severity, evidence, created_at"
CUSTOMER_COLUMNS = (
    "id, external_id, first_name, last_name, email, phone, status, credit_limit, preapproved_at, "
    "created_by, version, created_at, updated_at"
)
SUSPICION = "The documents do not match the declared income."


@dataclass(frozen=True, slots=True)
class Book:
    """So many customers and loans, applied for in the three years before `until`."""

    customers: int
    loans: int
    seed: int
    until: datetime

    @property
    def opened(self) -> datetime:
        return self.until - AGE

    def random(self, part: object) -> Random:
        """The numbers of one part, whatever the order in which the parts are written."""
        return Random(f"{self.seed}/{part}")  # noqa: S311  nothing here is secret

    def customers_by(self, share: float) -> int:
        """How many customers there are when that share of the time is over; at least one."""
        return max(1, int(self.customers * (EARLY_SHARE + (1 - EARLY_SHARE) * share)))

    def joined_at(self, number: int) -> int:
        """The moment, in milliseconds since 1970, by which that customer is one."""
        share, opened = number / self.customers, milliseconds(self.opened)
        if share < EARLY_SHARE:
            return opened - int(EARLY // timedelta(milliseconds=1) * (1 - share / EARLY_SHARE))
        span = milliseconds(self.until) - opened
        return opened + int(span * (share - EARLY_SHARE) / (1 - EARLY_SHARE))


class LoanLines(NamedTuple):
    """A run of loans in order of application; `debts` are cents by customer number."""

    loans: list[str]
    events: list[str]
    flags: list[str]
    ledger: LedgerLines
    debts: dict[int, int]


@lru_cache(maxsize=1)
def customer_ids(book: Book) -> Sequence[str]:
    """All of them, because loans and customers are written apart."""
    random = book.random("customer ids")
    return [uuid7_hex(book.joined_at(number), random) for number in range(book.customers)]


def runs(count: int) -> list[range]:
    """The numbers up to `count` in portions that are written, sent and loaded at once."""
    return [range(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]


def write_loans(book: Book, staff: Sequence[str], numbers: range) -> LoanLines:
    """The lines of the loans of these numbers; `staff` are ids, the admin's first."""
    random, ids = book.random(f"loans from {numbers.start}"), customer_ids(book)
    opened, until = milliseconds(book.opened), milliseconds(book.until)
    lines = LoanLines([], [], [], LedgerLines(), {})
    for number in numbers:
        share = (number + random.random()) / book.loans
        applied_at = opened + int((until - opened) * share)
        customer = int(random.random() * book.customers_by(share))
        figures = _figures(random, number)
        life = live(random, applied_at, until, figures)
        loan = Lent(
            id=uuid7_hex(applied_at, random),
            external_id=f"L-{number + 1:07d}" if number % 4 == 0 else None,
            customer=ids[customer],
            officer=staff[1 + number % (len(staff) - 1)],
            admin=staff[0],
            amount=figures.amount,
        )
        _write(lines, random, loan, figures, life)
        ledger.write(lines.ledger, random, loan, life, until)
        if life.debt:
            lines.debts[customer] = lines.debts.get(customer, 0) + life.debt
    return lines


def write_customers(
    book: Book, staff: Sequence[str], debts: Mapping[int, int], numbers: range
) -> list[str]:
    """The lines of the customers of these numbers; no line of credit is below the debt."""
    random, ids = book.random(f"customers from {numbers.start}"), customer_ids(book)
    return [
        f"{ids[number]}\t{_customer(random, number, debts.get(number, 0))}"
        f"\t{staff[1 + number % (len(staff) - 1)]}\t1\t{joined}\t{joined}\n"
        for number in numbers
        for joined in (text(book.joined_at(number)),)
    ]


def _write(lines: LoanLines, random: Random, loan: Lent, figures: Figures, life: Life) -> None:
    names = f"{loan.id}\t{loan.external_id or NULL}\t{loan.customer}\t"
    lines.loans.append(names + _loan(figures, life, loan.officer))
    lines.events.append(_events(random, loan.id, life, loan.officer, loan.admin))
    if life.status == FLAGGED:
        lines.flags.append(_flag(random, loan.id, life.steps[-1][1]))


def _figures(random: Random, number: int) -> Figures:
    """Most ask for round amounts; a few cannot afford what they ask for."""
    purpose = PURPOSES[int(random.random() * len(PURPOSES))]
    amount = int(100 * (purpose.least + (purpose.most - purpose.least) * random.random() ** 2))
    if number % 5:
        amount = max(amount // 5_000, 1) * 5_000
    term = purpose.terms[int(random.random() * len(purpose.terms))]
    income = int(1_200_000 + 10_000_000 * random.random() ** 2)
    expenses = int(income * (0.15 + 0.8 * random.random()))
    if random.random() < STRAINED:
        income //= 8
    return Figures(
        purpose.name, amount, term, income, expenses, hundredths(amount, term, income, expenses)
    )


def _loan(figures: Figures, life: Life, officer: str) -> str:
    """Everything after the names. PostgreSQL reads 12e-2 as 0.12, exactly."""
    taken_at, contract, due = NULL, NULL, NULL
    if life.taken_at is not None:
        taken_at, contract = text(life.taken_at), "2026-1"
        due = text(life.taken_at + figures.term_months * MONTH_MS)[:10]
    return (
        f"{figures.amount}e-2\t{figures.term_months}\t{figures.purpose}\t{figures.income}e-2\t"
        f"{figures.expenses}e-2\t{figures.score}e-2\t{life.status}\t{life.outstanding}e-2\t"
        f"{contract}\t{due}\t{taken_at}\t{int(life.status == FLAGGED)}\t"
        f"{officer}\t{life.version}\t{text(life.steps[0][1])}\t{text(life.changed_at)}\n"
    )


def _events(random: Random, loan_id: str, life: Life, officer: str, admin: str) -> str:
    before, lines = NULL, ""
    for status, at in life.steps:
        by = admin if status in DECIDED_BY_ADMINS else officer
        reason = SUSPICION if status == FLAGGED else NULL
        event_id = uuid7_hex(at, random)
        lines += f"{event_id}\t{loan_id}\t{before}\t{status}\t{text(at)}\t{by}\t{reason}\n"
        before = status
    return lines


def _flag(random: Random, loan_id: str, at: int) -> str:
    return f"{uuid7_hex(at, random)}\t{loan_id}\tmanual\t{SUSPICION}\thigh\t{{}}\t{text(at)}\n"


def _customer(random: Random, number: int, debt: int) -> str:
    """From the external id to the approval of the line of credit."""
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    ascii_name = normalize("NFKD", first).encode("ascii", "ignore").decode().lower()
    domain = (
        f"{last.lower()}-{number // CUSTOMERS_BY_DOMAIN}.example.{random.choice(('com', 'org'))}"
    )
    external_id = f"C-{number + 1:07d}" if number % 2 == 0 else NULL
    status = "INACTIVE" if random.random() < INACTIVE else "ACTIVE"
    limit = NULL
    if random.random() < WITH_LINE_OF_CREDIT:
        limit = str((debt // 100_000 + random.randrange(5, 60)) * 1_000)
    return (
        f"{external_id}\t{first}\t{last}\t{ascii_name}.{number + 1}@{domain}\t"
        f"+1555{number:07d}\t{status}\t{limit}\t{NULL}"
    )
