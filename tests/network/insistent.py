"""Clients that pay once each time, never again, and tell what became of every request.

Half of them keep their connection, half open one for each request.
"""

import http.client
import json
import socket
from dataclasses import dataclass, field

from app.local.server import LOOPBACK
from tests.network.clients import Clients
from tests.serving import PATIENCE

# For a connection; the kernel asks anew after one second, and after three.
CONNECT_SECONDS = 5
# Nobody listened any more, or the kernel had not made the connection when they stopped.
REFUSED = "refused"
# A kept connection, on which an answer had come before, ended without one byte of the next.
CLOSED_BETWEEN = "closed between requests"
# A connection was made for it, and no whole answer came.
DROPPED = "dropped"


@dataclass
class Payers(Clients):
    """`paid` has the ids of what was acknowledged. They end, too, when nobody listens."""

    at_once = 16

    paid: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return len(self.paid)

    def _work(self, number: int) -> None:
        connection = http.client.HTTPConnection(LOOPBACK, self.service.port, CONNECT_SECONDS)
        customer = self.customers[number % len(self.customers)]
        while not self._enough.is_set():
            fate = self._pay(connection, customer)
            self.told.append(fate)
            if fate == REFUSED:
                return
            if number % 2 or isinstance(fate, str):
                connection.close()
        connection.close()

    def _pay(self, connection: http.client.HTTPConnection, customer: str) -> int | str:
        is_kept = connection.sock is not None
        if not is_kept:
            try:
                connection.connect()
            except OSError:
                return REFUSED
            connection.sock.settimeout(PATIENCE)
        payment = {"customer_id": customer, "total_amount": "0.01"}
        try:
            if not self._asked(connection, payment):
                return CLOSED_BETWEEN if is_kept else DROPPED
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            return DROPPED
        if answer.status == 201:
            self.paid.append(body["id"])
        return answer.status

    def _asked(self, connection: http.client.HTTPConnection, payment: dict[str, str]) -> bool:
        """Whether an answer begins."""
        headers = {"Content-Type": "application/json", **self.caller.headers}
        try:
            connection.request("POST", "/payments/", json.dumps(payment).encode(), headers)
            return bool(connection.sock.recv(1, socket.MSG_PEEK))
        except OSError:
            return False
