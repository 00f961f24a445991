"""Tellers: clients at work on the same customers, each of whom keeps what they were answered."""

from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.bank.cents import cents, shown
from tests.bank.sending import REPLAYED, Line, Order, alike
from tests.factories import LOAN
from tests.serving import Answer, Service

AT_ONCE = LATER = 0.05  # of the orders are sent once more
REMEMBERED = 100


@dataclass
class Records:
    """What was acknowledged, by those whose answers say so; all money in cents."""

    moved: Counter[str] = field(default_factory=Counter)
    payments: list[str] = field(default_factory=list)
    journals: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    operations: int = 0
    sent_again: int = 0

    def add(self, other: "Records") -> None:
        self.moved.update(other.moved)
        self.statuses += other.statuses
        self.payments += other.payments
        self.journals += other.journals
        self.wrong += other.wrong
        self.operations += other.operations
        self.sent_again += other.sent_again


@dataclass(frozen=True)
class Counters:
    """What all tellers see: the customers, and what was lately done that somebody may undo."""

    service: Service
    headers: dict[str, str]
    customers: list[str]
    payments: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    entries: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Teller:
    """One client, whose deeds follow from the seed; a second connection sends what is doubled."""

    def __init__(self, counters: Counters, seed: int, number: int) -> None:
        self.counters = counters
        self.records = Records()
        self.random = Random(f"{seed}/{number}")
        self.name = f"{seed}.{number}"
        self.sent: deque[tuple[Order, Answer]] = deque(maxlen=REMEMBERED)
        self.orders = 0

    def work(self, operations: int) -> Records:
        deeds = self.random.choices([*DEEDS], [*DEEDS.values()], k=operations)
        with ExitStack() as stack:
            clients = [self.counters.service.client(self.counters.headers) for _ in range(2)]
            self.line, self.second = (
                Line(stack.enter_context(client), self.records.statuses) for client in clients
            )
            for deed in deeds:
                deed(self)
                self.records.operations += 1
        return self.records

    def deposit(self) -> None:
        customer = self._customer()
        path = f"/customers/{customer}/account/deposits"
        self._book(customer, self._order(path, {"amount": self._amount()}))

    def withdraw(self) -> None:
        customer = self._customer()
        amount = self._amount() if self.random.random() < 0.8 else "1000000.00"
        path = f"/customers/{customer}/account/withdrawals"
        self._book(customer, self._order(path, {"amount": amount}, "insufficient-funds"))

    def lend(self) -> None:
        body = {**LOAN, "customer_id": self._customer(), "amount": self._amount()}
        loan = self._order("/loans/", body)
        if loan and (active := self._order(f"/loans/{loan['id']}/activate", {})):
            owed = cents(active["amount"])
            self._must(
                active["status"] == "ACTIVE" and cents(active["outstanding"]) == owed, active
            )
            self.records.moved[active["id"]] += owed
            self.records.moved[active["customer_id"]] += owed

    def pay(self) -> None:
        self._pay(self._customer(), self._amount(), "external")

    def pay_from_account(self) -> None:
        self._pay(self._customer(), self._amount(), "account")

    def pay_off(self) -> None:
        """What the customer owes, as of a moment ago."""
        customer = self._customer()
        debt = self.line.get(f"/customers/{customer}/balance")["total_debt"]
        if cents(debt):
            self._pay(customer, debt, self.random.choice(("external", "account")))

    def overpay(self) -> None:
        paid = self._pay(self._customer(), "10000000.00", "external")
        self._must(paid and paid["status"] == "REJECTED" and not paid["payment_details"], paid)

    def reverse_payment(self) -> None:
        if self.counters.payments:
            payment = self.random.choice(self.counters.payments)
            path = f"/payments/{payment}/reverse"
            undone = self._order(path, {"reason": "bounced"}, "payment-not-reversible")
            if undone:
                self._must(undone["reverses"] == payment, undone)
                self._keep_payment(undone)

    def reverse_entry(self) -> None:
        if self.counters.entries:
            customer, entry = self.random.choice(self.counters.entries)
            path = f"/customers/{customer}/account/entries/{entry}/reverse"
            refusals = ("entry-not-reversible", "insufficient-funds")
            undone = self._order(path, {"reason": "mistaken"}, *refusals)
            self._must(not undone or undone["reverses"] == entry, undone)
            self._book(customer, undone)

    def read(self) -> None:
        customer = self._customer()
        path, is_sound = self.random.choice(READINGS)
        found = self.line.get(path.format(customer=customer))
        self._must(is_sound(found), found)

    def _pay(self, customer: str, amount: str, source: str) -> Any:
        body = {"customer_id": customer, "total_amount": amount, "source": source}
        payment = self._order("/payments/", body, "insufficient-funds")
        if payment:
            self._keep_payment(payment)
            self.counters.payments.append(payment["id"])
        return payment

    def _keep_payment(self, payment: dict[str, Any]) -> None:
        sign = {"COMPLETED": -1, "REVERSED": 1, "REJECTED": 0}[payment["status"]]
        self._must(_is_spread(payment), payment)
        for detail in payment["payment_details"]:
            self.records.moved[detail["loan_id"]] += sign * cents(detail["amount"])
        if payment["source"] == "account":
            moved = sign * cents(payment["total_amount"])
            self.records.moved[payment["customer_id"]] += moved
        self.records.payments.append(payment["id"])

    def _book(self, customer: str, entry: dict[str, Any] | None) -> None:
        if entry:
            sign = {"credit": 1, "debit": -1}[entry["direction"]]
            self.records.moved[customer] += sign * cents(entry["amount"])
            self.records.journals.append(entry["id"])
            self.counters.entries.append((customer, entry["id"]))

    def _order(self, path: str, body: dict[str, Any], *refusals: str) -> Any:
        """What was made; None where it was refused as it may be. A tenth is sent once more."""
        self.orders += 1
        order = Order(path, body, f"{self.name}.{self.orders}")
        is_doubled = self.random.random() < AT_ONCE
        answer = self._twice_at_once(order) if is_doubled else self.line.settle(order)
        self.sent.append((order, answer))
        if self.random.random() < LATER:
            self._once_more(*self.random.choice(self.sent))
        if answer.status in (200, 201):
            return answer.json
        self._must(answer.json["code"] in refusals, (path, answer))
        return None

    def _twice_at_once(self, order: Order) -> Answer:
        self.records.sent_again += 1
        lines = (self.line, self.second)
        for line in lines:
            line.ask(order)
        one, other = [line.hear() for line in lines]
        first, again = one or self.line.settle(order), other or self.second.settle(order)
        replayed = [REPLAYED in answer.headers for answer in (first, again)]
        self._must(alike(first, again) and any(replayed), (order, first, again))
        return first

    def _once_more(self, order: Order, first: Answer) -> None:
        self.records.sent_again += 1
        again = self.line.settle(order)
        self._must(alike(first, again) and REPLAYED in again.headers, (order, first, again))

    def _must(self, is_so: object, told: object) -> None:
        if not is_so:
            self.records.wrong.append(str(told))

    def _customer(self) -> str:
        return self.random.choice(self.counters.customers)

    def _amount(self) -> str:
        return shown(self.random.randint(1, 10_000))


def _is_spread(payment: dict[str, Any]) -> bool:
    shares = sum(cents(detail["amount"]) for detail in payment["payment_details"])
    return shares == (cents(payment["total_amount"]) if payment["status"] != "REJECTED" else 0)


def _is_within(loan: dict[str, Any]) -> bool:
    owed = cents(loan["outstanding"])
    return 0 <= owed <= cents(loan["amount"]) and (owed > 0) == (loan["status"] == "ACTIVE")


def _follow(entries: list[dict[str, Any]]) -> bool:
    """Whether each balance follows from the one below it; the newest is first."""
    signed = [cents(e["amount"]) * {"credit": 1, "debit": -1}[e["direction"]] for e in entries]
    after = [cents(entry["balance_after"]) for entry in entries]
    return all(after[at] == after[at + 1] + signed[at] for at in range(len(entries) - 1))


READINGS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("/customers/{customer}/balance", lambda found: cents(found["total_debt"]) >= 0),
    ("/customers/{customer}/account", lambda found: cents(found["balance"]) >= 0),
    ("/customers/{customer}/account/entries", _follow),
    ("/payments/?customer={customer}", lambda found: all(map(_is_spread, found))),
    ("/loans/?customer={customer}", lambda found: all(map(_is_within, found))),
    ("/loans/?customer={customer}&status=ACTIVE", lambda found: all(map(_is_within, found))),
)
# How often of a hundred. More is paid than lent, or every payment would have ever more to lock.
DEEDS: dict[Callable[[Teller], None], int] = {
    Teller.deposit: 15,
    Teller.withdraw: 12,
    Teller.lend: 11,
    Teller.pay: 18,
    Teller.pay_from_account: 12,
    Teller.pay_off: 4,
    Teller.overpay: 3,
    Teller.reverse_payment: 7,
    Teller.reverse_entry: 6,
    Teller.read: 12,
}
