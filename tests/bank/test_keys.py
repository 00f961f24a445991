"""Once per key, however often it is sent and whether or not anybody waits for the answer."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import psycopg

from tests.bank.cents import shown
from tests.bank.sending import REPLAYED, Line, Order, alike
from tests.bank.sizes import BANK_KEYS
from tests.factories import Caller
from tests.figures import report
from tests.serving import Answer, Service

SENDERS = 8
SENT = 5
CUT_OFF = 0.25  # of all sends of a key but the last: a fifth of them all
HELD = "SELECT customer_id::text, (100 * balance)::bigint FROM accounts"
MADE = "SELECT journal.id::text, kind FROM journal"


@dataclass
class Sender:
    """Sends its share of the keys, some of a key's requests at once, others when those are done."""

    service: Service
    headers: dict[str, str]
    customers: list[str]
    number: int
    statuses: Counter[str] = field(default_factory=Counter)
    deposited: Counter[str] = field(default_factory=Counter)
    made: list[str] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)
    cut_off: int = 0
    replays: int = 0

    def work(self) -> "Sender":
        self.random = Random(self.number)
        with ExitStack() as stack:
            self.lines = [
                Line(stack.enter_context(self.service.client(self.headers)), self.statuses)
                for _ in range(SENT)
            ]
            for key in range(self.number, BANK_KEYS, SENDERS):
                self._send_five_times(key)
        return self

    def _send_five_times(self, key: int) -> None:
        customer, amount = self.random.choice(self.customers), self.random.randint(1, 10_000)
        path = f"/customers/{customer}/account/deposits"
        order = Order(path, {"amount": shown(amount)}, f"key {key}")
        at_once = self.random.randint(0, SENT - 1)
        answers = [*self._at_once(order, at_once), *self._one_by_one(order, SENT - 1 - at_once)]
        answers.append(self.lines[0].settle(order))
        self._judge(answers)
        self.deposited[customer] += amount

    def _at_once(self, order: Order, times: int) -> list[Answer]:
        asked = self.lines[:times]
        for line in asked:
            line.ask(order)
        heard = [None if self._is_cut_off(line) else line.hear() for line in asked]
        return [answer for answer in heard if answer]

    def _one_by_one(self, order: Order, times: int) -> list[Answer]:
        return [answer for _ in range(times) for answer in self._at_once(order, 1)]

    def _is_cut_off(self, line: Line) -> bool:
        if self.random.random() >= CUT_OFF:
            return False
        line.client.cut_off()
        self.cut_off += 1
        return True

    def _judge(self, answers: list[Answer]) -> None:
        """All are the one answer; every other one says that it is a replay."""
        last = answers[-1]
        replayed = [REPLAYED in answer.headers for answer in answers]
        is_once = last.status == 201 and replayed.count(False) <= 1
        if not is_once or not all(alike(last, answer) for answer in answers):
            self.wrong.append(answers)
        self.made.append(last.json["id"])
        self.replays += replayed.count(True)


def test_a_key_has_one_effect_and_one_answer(
    environ: dict[str, str], service: Service, teller: Caller
) -> None:
    customers = [teller.make_customer()["id"] for _ in range(SENDERS)]
    senders = [Sender(service, teller.headers, customers, number) for number in range(SENDERS)]
    with ThreadPoolExecutor(SENDERS) as pool:
        done = list(pool.map(Sender.work, senders))
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        held = Counter(dict(connection.execute(HELD).fetchall()))
        made = dict(connection.execute(MADE).fetchall())
    statuses: Counter[str] = sum((sender.statuses for sender in done), Counter())
    report(
        "Once per key",
        **{
            "keys": BANK_KEYS,
            "requests": SENT * BANK_KEYS,
            "effects": len(made),
            "replays": sum(sender.replays for sender in done),
            "cut off": sum(sender.cut_off for sender in done),
            "answers by status": statuses,
        },
    )
    assert [wrong for sender in done for wrong in sender.wrong] == []
    assert made == dict.fromkeys((name for sender in done for name in sender.made), "deposit")
    assert len(made) == BANK_KEYS
    assert held == sum((sender.deposited for sender in done), Counter())
    assert sum(sender.cut_off for sender in done) > 0
