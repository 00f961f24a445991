"""Clients that move money until told otherwise, and insist on the end of what they began."""

import http.client
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from threading import Event
from typing import Any
from uuid import uuid4

from app.local.processes import wait_until
from tests.factories import Caller
from tests.serving import PATIENCE, Client, Service

CLIENTS = 8
BROKEN = "broken"


@dataclass
class Load:
    """What the clients were told: each answer's status, and the ids of what was acknowledged."""

    service: Service
    admin: Caller
    customers: Sequence[str]
    told: list[int | str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    deposits: list[str] = field(default_factory=list)
    _enough: Event = field(default_factory=Event)

    @property
    def acknowledged(self) -> int:
        return len(self.payments) + len(self.deposits)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends and each client has the answer to its last request."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(self._work, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self._enough.set()
            for client in clients:
                client.result()

    def await_answers(self, count: int) -> None:
        """Return when so many more deeds were acknowledged."""
        enough = self.acknowledged + count
        assert wait_until(lambda: self.acknowledged >= enough, PATIENCE), self.told[-20:]

    def _work(self, number: int) -> None:
        with self.service.client(self.admin.headers) as client:
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
