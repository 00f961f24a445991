"""Requests that are sent until they are answered, as a careful client sends them."""

from collections import Counter
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from app.local.processes import wait_until
from tests.serving import PATIENCE, Answer, Client

LOST = (OSError, HTTPException)
REPLAYED = "idempotency-replayed"


@dataclass(frozen=True)
class Order:
    """A POST and the key that makes it one however often it is sent."""

    path: str
    body: dict[str, Any]
    key: str


class Line:
    """A connection that counts what comes back on it, and knows what is worth another try."""

    def __init__(self, client: Client, statuses: Counter[str]) -> None:
        self.client = client
        self._statuses = statuses

    def ask(self, order: Order) -> None:
        """Send without waiting. A connection that had gone stale is tried once more."""
        try:
            self.client.ask("POST", order.path, order.body, key=order.key)
        except LOST:
            self.client.ask("POST", order.path, order.body, key=order.key)

    def hear(self) -> Answer | None:
        """The answer to what was asked; None for one that was lost, or says to come again."""
        try:
            return self._judged(self.client.answer())
        except LOST:
            self._statuses["lost"] += 1
            return None

    def settle(self, order: Order) -> Answer:
        """Send it, again and again with its key, until it is answered for good."""
        return self._until_answered(lambda: self.client.post(order.path, order.body, key=order.key))

    def get(self, path: str) -> Any:
        answer = self._until_answered(lambda: self.client.get(path))
        assert answer.status == 200, answer
        return answer.json

    def _until_answered(self, send: Any) -> Answer:
        heard: list[Answer] = []

        def is_answered() -> bool:
            try:
                answer = self._judged(send())
            except LOST:
                self._statuses["lost"] += 1
                return False
            heard.extend([answer] if answer else [])
            return bool(heard)

        assert wait_until(is_answered, PATIENCE), "never answered for good"
        return heard[0]

    def _judged(self, answer: Answer) -> Answer | None:
        self._statuses[str(answer.status)] += 1
        is_in_use = answer.status == 409 and answer.json["code"] == "idempotency-key-in-use"
        return None if is_in_use or answer.status == 503 else answer


def alike(one: Answer, other: Answer) -> bool:
    """Whether the two are the same answer, byte for byte."""
    return (one.status, one.body) == (other.status, other.body)
