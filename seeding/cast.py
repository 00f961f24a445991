"""The demo's customers, what became of their applications, and what they paid.

Days count back from today.
"""

from dataclasses import dataclass
from typing import NamedTuple

from app.models import CustomerStatus, JournalKind, LoanStatus, PaymentSource

ACTIVE, APPROVED, FLAGGED = LoanStatus.ACTIVE, LoanStatus.APPROVED, LoanStatus.FLAGGED
DEPOSIT, PAYMENT = JournalKind.DEPOSIT, JournalKind.PAYMENT
WITHDRAWAL, ACCOUNT = JournalKind.WITHDRAWAL, PaymentSource.ACCOUNT
PENDING, REJECTED, WITHDRAWN = LoanStatus.PENDING, LoanStatus.REJECTED, LoanStatus.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Borrower:
    """A customer; `credit_limit` in whole units of the currency."""

    first_name: str
    last_name: str
    email: str
    phone: str
    days_ago: int
    external_id: str | None = None
    credit_limit: int | None = None
    status: CustomerStatus = CustomerStatus.ACTIVE


@dataclass(frozen=True, slots=True)
class Step:
    """A change of status, `days` after the application."""

    status: LoanStatus
    days: float
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """An application by the borrower of that e-mail, and its steps."""

    email: str
    days_ago: int
    amount: str
    term_months: int
    purpose: str
    income: str
    expenses: str
    steps: tuple[Step, ...] = ()
    external_id: str | None = None


class Undoing(NamedTuple):
    """That something was undone, and why."""

    days_ago: int
    reason: str


@dataclass(frozen=True, slots=True)
class Movement:
    """A payment by the borrower of that e-mail, or money into their account or out of it."""

    email: str
    days_ago: int
    kind: JournalKind
    amount: str
    external_id: str | None = None
    source: PaymentSource = PaymentSource.EXTERNAL
    undone: Undoing | None = None


BORROWERS = (
    Borrower("Amara", "Okafor", "amara.okafor@example.com", "+234 802 555 0143", 290, "C-1001"),
    Borrower("Lucía", "Fernández", "lucia.fernandez@example.org", "+34 655 550 119", 275),
    Borrower("Kenji", "Watanabe", "k.watanabe@example.com", "+81 90 5550 0127", 268, None, 60_000),
    Borrower("Priya", "Raman", "priya.raman@example.org", "+91 98765 50132", 251, "C-1002", 40_000),
    Borrower("Mateusz", "Kowalski", "m.kowalski@example.com", "+48 601 555 018", 240),
    Borrower("Fatima", "Haddad", "fatima.haddad@example.org", "+212 661 555 014", 228, "C-1003"),
    Borrower("Oliver", "Bennett", "oliver.bennett@example.com", "+44 7700 900 461", 205),
    Borrower("Ngozi", "Eze", "ngozi.eze@example.org", "+234 803 555 0188", 190, "C-1004", 25_000),
    Borrower("Sofia", "Marchetti", "sofia.marchetti@example.com", "+39 347 555 0162", 171),
    Borrower("Henrik", "Dahl", "henrik.dahl@example.org", "+47 405 55 012", 150, None, 80_000),
    Borrower("Thanh", "Nguyen", "thanh.nguyen@example.com", "+84 90 555 0107", 133, "C-1005"),
    Borrower("Grace", "O'Sullivan", "grace.osullivan@example.org", "+353 85 555 0134", 110),
    Borrower("Diego", "Romero", "diego.romero@example.com", "+52 55 5550 0175", 84, "C-1006"),
    Borrower("Zainab", "Yusuf", "zainab.yusuf@example.org", "+254 712 555 019", 45, None, 15_000),
    Borrower(
        "Pavel",
        "Novák",
        "pavel.novak@example.com",
        "+420 601 555 013",
        262,
        "C-1007",
        status=CustomerStatus.INACTIVE,
    ),
)

STORIES = (
    Story(
        "amara.okafor@example.com", 271, "12000.00", 12, "Sewing machines", "48000.00", "14500.00",
        (Step(APPROVED, 2.2), Step(ACTIVE, 3.1)), "L-2001",
    ),
    Story(
        "pavel.novak@example.com", 256, "6500.00", 6, "A used delivery bike fleet", "31000.00",
        "9800.00", (Step(APPROVED, 1.4), Step(ACTIVE, 1.9)), "L-2002",
    ),
    Story(
        "k.watanabe@example.com", 244, "35000.00", 48, "A walk-in freezer", "96000.00", "41000.00",
        (Step(APPROVED, 4.1), Step(ACTIVE, 6.3)),
    ),
    Story(
        "m.kowalski@example.com", 219, "50000.00", 60, "A second lorry", "42000.00", "51000.00",
        (Step(REJECTED, 3.3, "Expenses exceed the declared income."),),
    ),
    Story(
        "fatima.haddad@example.org", 203, "9000.00", 18, "An argan oil press", "27000.00",
        "8200.00", (Step(APPROVED, 1.1), Step(ACTIVE, 2.0)), "L-2003",
    ),
    Story(
        "priya.raman@example.org", 182, "24000.00", 36, "Solar panels for the workshop",
        "54000.00", "21000.00",
        (
            Step(FLAGGED, 0.8, "Declared income does not match the payslips."),
            Step(PENDING, 3.6, "New payslips confirm the income."),
            Step(APPROVED, 4.2),
            Step(ACTIVE, 5.0),
        ),
    ),
    Story(
        "oliver.bennett@example.com", 158, "15000.00", 24, "Refitting the café", "38000.00",
        "19500.00", (Step(WITHDRAWN, 5.5, "Found the money in the family."),),
    ),
    Story(
        "ngozi.eze@example.org", 141, "18500.00", 30, "Stock for the pharmacy", "62000.00",
        "30000.00", (Step(APPROVED, 2.7), Step(ACTIVE, 3.4)), external_id="L-2004",
    ),
    Story(
        "sofia.marchetti@example.com", 117, "7200.00", 12, "A ceramics kiln", "29000.00",
        "26500.00", (Step(REJECTED, 6.2, "Guarantor could not be reached."),),
    ),
    Story(
        "henrik.dahl@example.org", 93, "42000.00", 36, "A fishing boat engine", "88000.00",
        "33000.00", (Step(APPROVED, 3.9), Step(WITHDRAWN, 11.4, "The yard cancelled the order.")),
    ),
    Story(
        "thanh.nguyen@example.com", 66, "20000.00", 24, "A noodle stall and its licence",
        "45000.00", "17000.00", (Step(APPROVED, 2.1), Step(ACTIVE, 2.9)),
    ),
    Story(
        "henrik.dahl@example.org", 38, "58000.00", 60, "A larger cold store", "88000.00",
        "33000.00", (Step(FLAGGED, 1.2, "Same collateral as an earlier application."),),
    ),
    Story(
        "diego.romero@example.com", 21, "11000.00", 18, "Two pottery wheels", "36000.00",
        "12500.00", (Step(FLAGGED, 0.6, "The address on the lease is another one."),),
        external_id="L-2005",
    ),
    Story(
        "zainab.yusuf@example.org", 9, "14000.00", 24, "A grain mill", "40000.00", "16000.00",
        (Step(APPROVED, 3.0),), external_id="L-2006",
    ),
    Story(
        "thanh.nguyen@example.com", 6, "8000.00", 12, "A second cart for the noodle stall",
        "126000.00", "31000.00",
    ),
    Story(
        "grace.osullivan@example.org", 3, "49500.00", 60, "Opening a second bakery", "52000.00",
        "44000.00",
    ),
)  # fmt: skip

MOVEMENTS = (
    Movement("amara.okafor@example.com", 266, WITHDRAWAL, "12000.00"),
    Movement("amara.okafor@example.com", 178, PAYMENT, "4000.00", "bank-3011"),
    Movement("amara.okafor@example.com", 117, PAYMENT, "4000.00", "bank-3032"),
    Movement("amara.okafor@example.com", 56, PAYMENT, "4000.00", "bank-3058"),
    Movement("pavel.novak@example.com", 253, WITHDRAWAL, "6500.00"),
    Movement("pavel.novak@example.com", 165, PAYMENT, "3250.00"),
    Movement("pavel.novak@example.com", 77, PAYMENT, "3250.00"),
    Movement("k.watanabe@example.com", 236, WITHDRAWAL, "30000.00"),
    Movement("k.watanabe@example.com", 150, PAYMENT, "2552.08", "bank-3019"),
    Movement("k.watanabe@example.com", 60, PAYMENT, "2552.08", source=ACCOUNT),
    Movement("fatima.haddad@example.org", 199, WITHDRAWAL, "9000.00"),
    Movement("fatima.haddad@example.org", 140, PAYMENT, "1500.00"),
    Movement("fatima.haddad@example.org", 79, PAYMENT, "1500.00"),
    Movement(
        "fatima.haddad@example.org", 20, PAYMENT, "1500.00", "bank-3071",
        undone=Undoing(17, "The bank took the transfer back."),
    ),
    Movement("priya.raman@example.org", 175, WITHDRAWAL, "24000.00"),
    Movement("priya.raman@example.org", 88, PAYMENT, "2000.00", "bank-3044"),
    Movement("priya.raman@example.org", 27, PAYMENT, "200000.00"),
    Movement("ngozi.eze@example.org", 136, WITHDRAWAL, "15000.00"),
    Movement(
        "ngozi.eze@example.org", 100, DEPOSIT, "250.00",
        undone=Undoing(98, "It was meant for another customer."),
    ),
    Movement("thanh.nguyen@example.com", 61, WITHDRAWAL, "12500.00"),
    Movement("grace.osullivan@example.org", 5, DEPOSIT, "400.00", "till-118"),
)  # fmt: skip
