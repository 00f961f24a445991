"""The service beside its model: each call is made to both, and what they show is compared."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

from hypothesis.stateful import multiple
from werkzeug.test import TestResponse

from tests.bank.cents import shown
from tests.bank.model import Customer, Entry, Loan, Payment, Refused
from tests.factories import Caller

Made = TypeVar("Made", Loan, Payment, Entry)
WITHOUT_KEY = 4  # every fourth request carries no key
_keys = count(1)


@dataclass(frozen=True)
class Sent:
    """A request that carried a key, and the first answer to it."""

    customer: Customer
    path: str
    body: dict[str, Any]
    key: str
    status: int
    answer: bytes


class Twins:
    """Calls the service as an admin, and remembers what it sent with a key."""

    def __init__(self, admin: Caller) -> None:
        self.admin = admin
        self.sent: list[Sent] = []
        # A life's own: what one does must not depend on those before it.
        self._steps = count(1)

    def opened(self, limit: int | None) -> Customer:
        values = {} if limit is None else {"credit_limit": shown(limit)}
        return Customer(limit, ref=self.admin.make_customer(**values)["id"])

    def change_limit(self, customer: Customer) -> None:
        """To what the model has."""
        limit = None if customer.limit is None else shown(customer.limit)
        answer = self.admin.patch(f"/customers/{customer.ref}", {"credit_limit": limit})
        assert answer.status_code == 200
        self.compare(customer)

    def send_again(self, first: Sent) -> None:
        answer = self._post(first.path, first.body, first.key)
        assert (answer.status_code, answer.data) == (first.status, first.answer)
        assert answer.headers["Idempotency-Replayed"] == "true"
        self.compare(first.customer)

    def send_another(self, first: Sent) -> None:
        """Another request with the same key."""
        answer = self._post(first.path, {**first.body, "reason": "another"}, first.key)
        assert (answer.status_code, answer.json["code"]) == (422, "idempotency-key-reused")
        self.compare(first.customer)

    def do(
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
        key = f"step {next(_keys)}" if next(self._steps) % WITHOUT_KEY else None
        answer = self._post(path, body, key)
        assert (answer.status_code, answer.json.get("code")) == (status, code), answer.json
        if key:
            self.sent.append(Sent(customer, path, body, key, status, answer.data))
        if made is not None:
            made.ref = answer.json["id"]
            _must_show([answer.json], [made.shown()])
        self.compare(customer)
        return multiple() if made is None else made

    def _post(self, path: str, body: dict[str, Any], key: str | None) -> TestResponse:
        headers = {"Idempotency-Key": key} if key else {}
        answer: TestResponse = self.admin.post(path, body, headers=headers)
        return answer

    def compare(self, customer: Customer) -> None:
        path = f"/customers/{customer.ref}"
        assert self.admin.get(f"{path}/balance").json == customer.shown_balance()
        assert self.admin.get(f"{path}/account").json["balance"] == shown(customer.balance)
        loans = self._listed(f"/loans/?customer={customer.ref}")
        _must_show(loans, [loan.shown() for loan in customer.loans])

    def _listed(self, path: str) -> list[dict[str, Any]]:
        """A list of at most a hundred, the oldest first."""
        return list(reversed(self.admin.get(f"{path}&page_size=100".replace("?&", "?")).json))

    def name_the_entry(self, customer: Customer) -> None:
        """A disbursement's entry is not in its answer."""
        path = f"/customers/{customer.ref}/account/entries?page_size=1"
        customer.entries[-1].ref = self.admin.get(path).json[0]["id"]

    def compare_what_was_booked(self, customer: Customer) -> None:
        paid = self._listed(f"/payments/?customer={customer.ref}")
        _must_show(paid, [payment.shown() for payment in customer.payments])
        booked = self._listed(f"/customers/{customer.ref}/account/entries?")
        _must_show(booked, [entry.shown() for entry in customer.entries])


def _must_show(answers: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Each answer has what is wanted of it, whatever else it has."""
    assert len(answers) == len(wanted)
    for answer, want in zip(answers, wanted, strict=True):
        assert {name: answer.get(name) for name in want} == want
