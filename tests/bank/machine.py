"""Random lives of a lender, each call of which must be answered as the model says."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    multiple,
    precondition,
    rule,
)

from tests.bank.cents import shown
from tests.bank.model import Customer, Entry, Loan, Payment
from tests.bank.twins import Twins
from tests.factories import LOAN, Caller

Anything = TypeVar("Anything")
CUSTOMERS = 3
WHOSE = st.integers(0, CUSTOMERS - 1)
AMOUNTS = st.integers(1, 30_000)
LIMITS = st.sampled_from((None, 100_000, 40_000, 10_000))
SOURCES = st.sampled_from(("external", "account"))
OF_ALL = st.sampled_from(("some", "all", "a cent more"))
ANY = st.integers(0, 1_000)


class Lending(RuleBasedStateMachine):
    """One admin's customers, in the service and in the model."""

    loans = Bundle("loans")
    payments = Bundle("payments")
    entries = Bundle("entries")

    def __init__(self, admin: Caller) -> None:
        super().__init__()
        self.twins = Twins(admin)
        self.known: list[Customer] = []

    @initialize(target=loans, limit=LIMITS, amount=AMOUNTS)
    def first_customer(self, limit: int | None, amount: int) -> object:
        """Who owes something from the start, or most lives would end before anybody did."""
        self.known.append(self.twins.opened(limit))
        return self.lend(0, amount)

    @precondition(lambda self: len(self.known) < CUSTOMERS)
    @rule(limit=LIMITS)
    def another_customer(self, limit: int | None) -> None:
        self.known.append(self.twins.opened(limit))

    @rule(whose=WHOSE, limit=LIMITS)
    def change_the_limit(self, whose: int, limit: int | None) -> None:
        """Also below what is owed already; what was not disbursed then is judged anew."""
        customer = self._customer(whose)
        customer.limit = limit
        self.twins.change_limit(customer)

    @rule(target=loans, whose=WHOSE, amount=AMOUNTS)
    def apply(self, whose: int, amount: int) -> object:
        customer = self._customer(whose)
        body = {**LOAN, "customer_id": customer.ref, "amount": shown(amount)}
        return self.twins.do(customer, "/loans/", body, lambda: customer.apply(amount))

    @rule(target=loans, whose=WHOSE, amount=AMOUNTS)
    def lend(self, whose: int, amount: int) -> object:
        loan = self.apply(whose, amount)
        if isinstance(loan, Loan):
            self.activate(loan)
        return loan

    @rule(loan=loans, has_reason=st.booleans())
    def approve(self, loan: Loan, has_reason: bool) -> None:
        body = {"reason": "known"} if has_reason else {}
        self._decide(loan, "approve", body, lambda it: it.approve(loan, has_reason=has_reason))

    @rule(loan=loans)
    def withdraw_application(self, loan: Loan) -> None:
        self._decide(loan, "withdraw", {}, lambda customer: customer.withdraw_application(loan))

    @rule(target=entries, loan=loans)
    def activate(self, loan: Loan) -> object:
        """Its entry goes among those that somebody will try to reverse."""
        before = len(loan.customer.entries)
        self._decide(loan, "activate", {}, lambda customer: customer.activate(loan))
        return multiple(*loan.customer.entries[before:])

    @precondition(lambda self: self._waiting())
    @rule(target=entries, at=ANY)
    def activate_what_waits(self, at: int) -> object:
        return self.activate(_chosen(self._waiting(), at))

    @rule(target=payments, whose=WHOSE, source=SOURCES, amount=AMOUNTS)
    def pay(self, whose: int, source: str, amount: int) -> object:
        return self._pay(self._customer(whose), source, amount)

    @precondition(lambda self: any(customer.owed for customer in self.known))
    @rule(target=payments, at=ANY, source=SOURCES, of_all=OF_ALL, amount=AMOUNTS)
    def pay_what_is_owed(self, at: int, source: str, of_all: str, amount: int) -> object:
        customer = _chosen([customer for customer in self.known if customer.owed], at)
        return self._pay(customer, source, _part(customer.owed, of_all, amount))

    @rule(target=payments, payment=payments)
    def reverse_any_payment(self, payment: Payment) -> object:
        return self._reverse(payment)

    @precondition(lambda self: self._standing())
    @rule(target=payments, at=ANY)
    def reverse_a_payment_that_stands(self, at: int) -> object:
        return self._reverse(_chosen(self._standing(), at))

    @rule(target=entries, whose=WHOSE, amount=AMOUNTS)
    def deposit(self, whose: int, amount: int) -> object:
        customer = self._customer(whose)
        path = f"/customers/{customer.ref}/account/deposits"
        body = {"amount": shown(amount)}
        return self.twins.do(customer, path, body, lambda: customer.deposit(amount))

    @rule(target=entries, whose=WHOSE, of_all=OF_ALL, amount=AMOUNTS)
    def withdraw(self, whose: int, of_all: str, amount: int) -> object:
        customer = self._customer(whose)
        amount = _part(customer.balance, of_all, amount)
        path = f"/customers/{customer.ref}/account/withdrawals"
        body = {"amount": shown(amount)}
        return self.twins.do(customer, path, body, lambda: customer.withdraw(amount))

    @rule(target=entries, entry=entries)
    def reverse_entry(self, entry: Entry) -> object:
        customer = entry.customer
        path = f"/customers/{customer.ref}/account/entries/{entry.ref}/reverse"
        body = {"reason": "mistaken"}
        return self.twins.do(customer, path, body, lambda: customer.reverse_entry(entry))

    @precondition(lambda self: self.twins.sent)
    @rule(at=ANY)
    def send_again(self, at: int) -> None:
        self.twins.send_again(_chosen(self.twins.sent, at))

    @precondition(lambda self: self.twins.sent)
    @rule(at=ANY)
    def send_another_with_its_key(self, at: int) -> None:
        self.twins.send_another(_chosen(self.twins.sent, at))

    def teardown(self) -> None:
        """Everything once more, with the long lists: nobody's money moved with another's."""
        for customer in self.known:
            self.twins.compare(customer)
            self.twins.compare_what_was_booked(customer)

    def _pay(self, customer: Customer, source: str, amount: int) -> object:
        body = {"customer_id": customer.ref, "total_amount": shown(amount), "source": source}
        return self.twins.do(customer, "/payments/", body, lambda: customer.pay(amount, source))

    def _reverse(self, payment: Payment) -> object:
        customer, path = payment.customer, f"/payments/{payment.ref}/reverse"
        body = {"reason": "bounced"}
        return self.twins.do(customer, path, body, lambda: customer.reverse_payment(payment))

    def _waiting(self) -> list[Loan]:
        """The applications that can be disbursed, if the limit still allows it."""
        return [
            loan
            for customer in self.known
            for loan in customer.loans
            if loan.status in ("PENDING", "APPROVED")
        ]

    def _standing(self) -> list[Payment]:
        """The payments that can be reversed."""
        return [
            payment
            for customer in self.known
            for payment in customer.payments
            if payment.status == "COMPLETED" and not payment.is_undone
        ]

    def _customer(self, whose: int) -> Customer:
        return self.known[whose % len(self.known)]

    def _decide(
        self, loan: Loan, deed: str, body: dict[str, Any], act: Callable[[Customer], Loan]
    ) -> None:
        customer = loan.customer
        self.twins.do(
            customer, f"/loans/{loan.ref}/{deed}", body, lambda: act(customer), status=200
        )
        if deed == "activate" and loan.status == "ACTIVE":
            self.twins.name_the_entry(customer)


def _part(whole: int, of_all: str, amount: int) -> int:
    """All of it, a cent more, or some of it, chosen by `amount`; of nothing, `amount` itself."""
    some = amount % whole + 1 if whole else amount
    return {"some": some, "all": whole or amount, "a cent more": whole + 1}[of_all]


def _chosen(among: list[Anything], at: int) -> Anything:
    return among[at % len(among)]
