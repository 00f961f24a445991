"""Witnesses: callers who write through one process, and look for it at once through another."""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from typing import Any

from tests.bank.sending import Line, Order
from tests.bank.site import Web
from tests.factories import LOAN
from tests.serving import Client


@dataclass
class Witness:
    """One caller, with a customer of their own and a line to each of the web processes."""

    webs: list[Web]
    headers: dict[str, str]
    customer: str
    name: str
    reads: int = 0
    stale: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    total: int = 0
    paid_in: int = 0  # cents

    def work(self, is_over: Event) -> "Witness":
        """Write here and look there, and the other way round, until it is over."""
        with ExitStack() as stack:
            clients = [Client(web.port, self.headers) for web in self.webs]
            lines = [Line(stack.enter_context(each), self.statuses) for each in clients]
            for number in count():
                if is_over.is_set():
                    return self
                here, there = lines[:: 1 if number % 2 else -1]
                for deed in (self._pay_in, self._apply, self._pay, self._add_customer):
                    deed(here, there, f"{self.name}.{number}.{deed.__name__}")
        return self

    def _pay_in(self, here: Line, there: Line, key: str) -> None:
        path = f"/customers/{self.customer}/account/deposits"
        made = self._made(here, path, {"amount": "1.00"}, key)
        self.paid_in += 100
        entries = f"/customers/{self.customer}/account/entries"
        self._look(there, entries, lambda found: found[0]["id"] == made["id"])

    def _apply(self, here: Line, there: Line, key: str) -> None:
        body = {**LOAN, "customer_id": self.customer, "amount": "1.00"}
        made = self._made(here, "/loans/", body, key)
        self._look(
            there,
            f"/loans/?customer={self.customer}",
            lambda found: any(loan["id"] == made["id"] for loan in found),
        )
        before = self.total
        self._look(there, "/reports/portfolio", lambda found: self._has_grown(found, before))

    def _has_grown(self, found: dict[str, Any], before: int) -> bool:
        self.total = int(found["total"])
        return self.total > before

    def _pay(self, here: Line, there: Line, key: str) -> None:
        body = {"customer_id": self.customer, "total_amount": "1000000.00"}
        made = self._made(here, "/payments/", body, key)
        paid = f"/payments/?customer={self.customer}"
        self._look(there, paid, lambda found: found[0]["id"] == made["id"])

    def _add_customer(self, here: Line, there: Line, key: str) -> None:
        body = {"external_id": key, "first_name": "Eve", "last_name": "Witness"}
        self._made(here, "/customers/", {**body, "email": f"{key}@household.example"}, key)
        self._look(there, f"/customers/?external_id={key}", lambda found: len(found) == 1)

    def _made(self, line: Line, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        answer = line.settle(Order(path, body, key))
        assert answer.status == 201, answer
        return dict(answer.json)

    def _look(self, line: Line, path: str, is_there: Callable[[Any], bool]) -> None:
        self.reads += 1
        if not is_there(line.get(path)):
            self.stale.append(path)
