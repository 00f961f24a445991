"""Clients that move money until told otherwise, and insist on the end of what they began."""

import http.client
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import uuid4

from app.local.processes import wait_until
from tests.network.clients import Clients
from tests.serving import PATIENCE, Client

BROKEN = "broken"


@dataclass
class Load(Clients):
    """`payments` and `deposits` have the ids of what was acknowledged."""

    at_once = 8

    payments: list[str] = field(default_factory=list)
    deposits: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return len(self.payments) + len(self.deposits)

    def _work(self, number: int) -> None:
        with self.service.client(self.caller.headers) as client:
            for customer in cycle((*self.customers[number:], *self.customers[:number])):
                if self._enough.is_set():
                    return
                payment = {"customer_id": customer, "total_amount": "1.00"}
                self.payments.append(self._insist(client, "/payments/", payment))
                path = f"/customers/{customer}/account/deposits"
                self.deposits.append(self._insist(client, path, {"amount": "1.00"}))

    def _insist(self, client: Client, path: str, body: dict[str, Any]) -> str:
        """The id of what it made, however often that had to be asked for."""
        key, made = str(uuid4()), []

        def is_made() -> bool:
            try:
                answer = client.post(path, body, key=key)
            except (OSError, http.client.HTTPException):
                self.told.append(BROKEN)
                return False
            self.told.append(answer.status)
            if answer.status == 201:
                made.append(answer.json["id"])
            return bool(made)

        assert wait_until(is_made, PATIENCE), self.told[-20:]
        return str(made[0])
