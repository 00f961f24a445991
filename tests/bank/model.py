"""A lender in plain integers: what the contract says must come of each call. All money in cents."""

from dataclasses import dataclass, field
from typing import Any

from tests.bank.cents import shown

APPLICATIONS_A_DAY = 3  # one more is flagged
COMMITTED = ("PENDING", "FLAGGED", "APPROVED")


class Refused(Exception):
    """The call must be refused like this, and change nothing."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


@dataclass(eq=False)
class Loan:
    customer: "Customer"
    amount: int
    status: str
    outstanding: int = 0
    ref: str = ""

    def shown(self) -> dict[str, Any]:
        return {
            "amount": shown(self.amount),
            "status": self.status,
            "outstanding": shown(self.outstanding),
        }


@dataclass(eq=False)
class Share:
    """What a loan got of a payment, or owes again, and what it owed then."""

    loan: Loan
    amount: int
    outstanding_after: int

    def shown(self) -> dict[str, Any]:
        return {
            "loan_id": self.loan.ref,
            "loan_external_id": None,
            "amount": shown(self.amount),
            "outstanding_after": shown(self.outstanding_after),
        }


@dataclass(eq=False)
class Payment:
    customer: "Customer"
    amount: int
    status: str
    source: str
    shares: list[Share] = field(default_factory=list)
    is_undone: bool = False
    ref: str = ""

    def shown(self) -> dict[str, Any]:
        return {
            "total_amount": shown(self.amount),
            "status": self.status,
            "source": self.source,
            "payment_details": [share.shown() for share in self.shares],
        }


@dataclass(eq=False)
class Entry:
    """What an account got, or gave where `amount` is negative. Only cash is undone by itself."""

    customer: "Customer"
    amount: int
    balance_after: int
    is_cash: bool = False
    is_undone: bool = False
    ref: str = ""

    def shown(self) -> dict[str, Any]:
        return {
            "direction": "credit" if self.amount > 0 else "debit",
            "amount": shown(abs(self.amount)),
            "balance_after": shown(self.balance_after),
        }


@dataclass(eq=False)
class Customer:
    """A customer with all that is theirs, each in the order in which it came."""

    limit: int | None
    ref: str = ""
    balance: int = 0
    loans: list[Loan] = field(default_factory=list)
    taken: list[Loan] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    @property
    def owed(self) -> int:
        return sum(loan.outstanding for loan in self.taken)

    @property
    def total_debt(self) -> int:
        return self.owed + sum(loan.amount for loan in self.loans if loan.status in COMMITTED)

    def shown_balance(self) -> dict[str, Any]:
        available = None if self.limit is None else shown(self.limit - self.total_debt)
        return {
            "external_id": None,
            "credit_limit": None if self.limit is None else shown(self.limit),
            "total_debt": shown(self.total_debt),
            "available_credit": available,
        }

    def apply(self, amount: int) -> Loan:
        self._must_have_room(amount)
        is_flagged = len(self.loans) >= APPLICATIONS_A_DAY
        loan = Loan(self, amount, "FLAGGED" if is_flagged else "PENDING")
        self.loans.append(loan)
        return loan

    def approve(self, loan: Loan, *, has_reason: bool) -> Loan:
        _must_be(loan, "PENDING", "FLAGGED")
        if loan.status == "FLAGGED" and not has_reason:
            raise Refused(422, "reason-required")
        self._must_have_room(0)
        loan.status = "APPROVED"
        return loan

    def withdraw_application(self, loan: Loan) -> Loan:
        _must_be(loan, *COMMITTED)
        loan.status = "WITHDRAWN"
        return loan

    def activate(self, loan: Loan) -> Loan:
        """Disburse into the account. A pending loan is approved on the way, a flagged one not."""
        _must_be(loan, "PENDING", "APPROVED")
        self._must_have_room(0)
        loan.status, loan.outstanding = "ACTIVE", loan.amount
        self.taken.append(loan)
        self._book(loan.amount)
        return loan

    def pay(self, amount: int, source: str) -> Payment:
        """The oldest debt first; beyond the whole debt it is on record and moves nothing."""
        payment = Payment(self, amount, "REJECTED", source)
        if amount <= self.owed:
            if source == "account":
                self._book(-amount)
            payment.status, payment.shares = "COMPLETED", self._spread(amount)
        self.payments.append(payment)
        return payment

    def reverse_payment(self, undone: Payment) -> Payment:
        """What it took from each loan is owed again, whatever was paid since."""
        if undone.status != "COMPLETED" or undone.is_undone:
            raise Refused(409, "payment-not-reversible")
        payment = Payment(self, undone.amount, "REVERSED", undone.source)
        for share in undone.shares:
            share.loan.outstanding += share.amount
            share.loan.status = "ACTIVE"
            payment.shares.append(Share(share.loan, share.amount, share.loan.outstanding))
        if undone.source == "account":
            self._book(undone.amount)
        undone.is_undone = True
        self.payments.append(payment)
        return payment

    def deposit(self, amount: int) -> Entry:
        return self._book(amount, is_cash=True)

    def withdraw(self, amount: int) -> Entry:
        return self._book(-amount, is_cash=True)

    def reverse_entry(self, undone: Entry) -> Entry:
        if not undone.is_cash or undone.is_undone:
            raise Refused(409, "entry-not-reversible")
        entry = self._book(-undone.amount)
        undone.is_undone = True
        return entry

    def _must_have_room(self, amount: int) -> None:
        """What is applied for is in the debt already; a payment undone may have raised that."""
        if self.limit is not None and self.total_debt + amount > self.limit:
            raise Refused(422, "credit-limit-exceeded")

    def _book(self, amount: int, *, is_cash: bool = False) -> Entry:
        if self.balance + amount < 0:
            raise Refused(422, "insufficient-funds")
        self.balance += amount
        entry = Entry(self, amount, self.balance, is_cash)
        self.entries.append(entry)
        return entry

    def _spread(self, amount: int) -> list[Share]:
        shares = []
        for loan in self.taken:
            part = min(amount, loan.outstanding)
            if part:
                amount -= part
                loan.outstanding -= part
                loan.status = "ACTIVE" if loan.outstanding else "PAID"
                shares.append(Share(loan, part, loan.outstanding))
        return shares


def _must_be(loan: Loan, *statuses: str) -> None:
    if loan.status not in statuses:
        raise Refused(409, "illegal-transition")
