"""Random lives of a lender, each call of which must be answered as the model says."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
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
from werkzeug.test import TestResponse

from tests.bank.cents import shown
from tests.bank.model import Customer, Entry, Loan, Payment, Refused
from tests.factories import LOAN, Caller

Anything = TypeVar("Anything")
Made = TypeVar("Made", Loan, Payment, Entry)
CUSTOMERS = 3
WHOSE = st.integers(0, CUSTOMERS - 1)
WITHOUT_KEY = 4  # every fourth request carries no key
AMOUNTS = st.integers(1, 30_000)
LIMITS = st.sampled_from((None, 100_000, 40_000))
SOURCES = st.sampled_from(("external", "account"))
OF_ALL = st.sampled_from(("some", "all", "a cent more"))
ANY = st.integers(0, 1_000)
_numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """A request that carried a key, and the first answer to it."""

    customer: Customer
    path: str
    body: dict[str, Any]
    key: str
    status: int
    answer: bytes


class Lending(RuleBasedStateMachine):
    """One admin's customers, in the service and in the model."""

    loans = Bundle("loans")
    payments = Bundle("payments")
    entries = Bundle("entries")

    def __init__(self, admin: Caller) -> None:
        super().__init__()
        self.admin = admin
        self.known: list[Customer] = []
        self.sent: list[Sent] = []

    @initialize(target=loans, limit=LIMITS, amount=AMOUNTS)
    def first_customer(self, limit: int | None, amount: int) -> object:
        """Who owes something from the start, or most lives would end before anybody did."""
        self.known.append(self._opened(limit))
        return self.lend(0, amount)

    @precondition(lambda self: len(self.known) < CUSTOMERS)
    @rule(limit=LIMITS)
    def another_customer(self, limit: int | None) -> None:
        self.known.append(self._opened(limit))

    @rule(target=loans, whose=WHOSE, amount=AMOUNTS)
    def apply(self, whose: int, amount: int) -> object:
        customer = self._customer(whose)
        body = {**LOAN, "customer_id": customer.ref, "amount": shown(amount)}
        return self._do(customer, "/loans/", body, lambda: customer.apply(amount))

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
        return self._do(customer, path, body, lambda: customer.deposit(amount))

    @rule(target=entries, whose=WHOSE, of_all=OF_ALL, amount=AMOUNTS)
    def withdraw(self, whose: int, of_all: str, amount: int) -> object:
        customer = self._customer(whose)
        amount = _part(customer.balance, of_all, amount)
        path = f"/customers/{customer.ref}/account/withdrawals"
        body = {"amount": shown(amount)}
        return self._do(customer, path, body, lambda: customer.withdraw(amount))

    @rule(target=entries, entry=entries)
    def reverse_entry(self, entry: Entry) -> object:
        customer = entry.customer
        path = f"/customers/{customer.ref}/account/entries/{entry.ref}/reverse"
        body = {"reason": "mistaken"}
        return self._do(customer, path, body, lambda: customer.reverse_entry(entry))

    @precondition(lambda self: self.sent)
    @rule(at=ANY)
    def send_again(self, at: int) -> None:
        first = _chosen(self.sent, at)
        answer = self._post(first.path, first.body, first.key)
        assert (answer.status_code, answer.data) == (first.status, first.answer)
        assert answer.headers["Idempotency-Replayed"] == "true"
        self._compare(first.customer)

    @precondition(lambda self: self.sent)
    @rule(at=ANY)
    def send_another_with_its_key(self, at: int) -> None:
        first = _chosen(self.sent, at)
        answer = self._post(first.path, {**first.body, "reason": "another"}, first.key)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused")
        self._compare(first.customer)

    def teardown(self) -> None:
        """Everything once more, with the long lists: nobody's money moved with another's."""
        for customer in self.known:
            self._compare(customer)
            paid = self._listed(f"/payments/?customer={customer.ref}")
            _must_show(paid, [payment.shown() for payment in customer.payments])
            booked = self._listed(f"/customers/{customer.ref}/account/entries?")
            _must_show(booked, [entry.shown() for entry in customer.entries])

    def _opened(self, limit: int | None) -> Customer:
        values = {} if limit is None else {"credit_limit": shown(limit)}
        return Customer(limit, ref=self.admin.make_customer(**values)["id"])

    def _pay(self, customer: Customer, source: str, amount: int) -> object:
        body = {"customer_id": customer.ref, "total_amount": shown(amount), "source": source}
        return self._do(customer, "/payments/", body, lambda: customer.pay(amount, source))

    def _reverse(self, payment: Payment) -> object:
        customer, path = payment.customer, f"/payments/{payment.ref}/reverse"
        body = {"reason": "bounced"}
        return self._do(customer, path, body, lambda: customer.reverse_payment(payment))

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
        self._do(customer, f"/loans/{loan.ref}/{deed}", body, lambda: act(customer), status=200)
        if deed == "activate" and loan.status == "ACTIVE":
            self._name_the_entry(customer)

    def _do(
        self,
        customer: Customer,
        path: str,
        body: dict[str, Any],
        act: Callable[[], Made],
        status: int = 201,
    ) -> object:
        """Do it here and there; what it made, with its id, or nothing where it was refused."""
        made, code = None, None
        try:
            made = act()
        except Refused as refusal:
            status, code = refusal.status, refusal.code
        number = next(_numbers)
        key = f"step {number}" if number % WITHOUT_KEY else None
        answer = self._post(path, body, key)
        assert (answer.status_code, answer.json.get("code")) == (status, code), answer.json
        if key:
            self.sent.append(Sent(customer, path, body, key, status, answer.data))
        if made is not None:
            made.ref = answer.json["id"]
            _must_show([answer.json], [made.shown()])
        self._compare(customer)
        return multiple() if made is None else made

    def _post(self, path: str, body: dict[str, Any], key: str | None) -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        answer: TestResponse = self.admin.post(path, body, headers=headers)
        return answer

    def _compare(self, customer: Customer) -> None:
        path = f"/customers/{customer.ref}"
        assert self.admin.get(f"{path}/balance").json == customer.shown_balance()
        assert self.admin.get(f"{path}/account").json["balance"] == shown(customer.balance)
        loans = self._listed(f"/loans/?customer={customer.ref}")
        _must_show(loans, [loan.shown() for loan in customer.loans])

    def _listed(self, path: str) -> list[dict[str, Any]]:
        """A list of at most a hundred, the oldest first."""
        return list(reversed(self.admin.get(f"{path}&page_size=100".replace("?&", "?")).json))

    def _name_the_entry(self, customer: Customer) -> None:
        """A disbursement's entry is not in its answer."""
        path = f"/customers/{customer.ref}/account/entries?page_size=1"
        customer.entries[-1].ref = self.admin.get(path).json[0]["id"]


def _part(whole: int, of_all: str, amount: int) -> int:
    """All of it, a cent more, or some of it, chosen by `amount`; of nothing, `amount` itself."""
    some = amount % whole + 1 if whole else amount
    return {"some": some, "all": whole or amount, "a cent more": whole + 1}[of_all]


def _chosen(among: list[Anything], at: int) -> Anything:
    return among[at % len(among)]


def _must_show(answers: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Each answer has what is wanted of it, whatever else it has."""
    assert len(answers) == len(wanted)
    for answer, want in zip(answers, wanted, strict=True):
        assert {name: answer.get(name) for name in want} == want
