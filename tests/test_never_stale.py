"""Sixteen clients write and read while Redis is stopped, paused and flushed in turn.

Each must find its own last application in the first list it asks for, no total may ever go back,
and nobody may be told of an error or wait long. NEVER_STALE_SECONDS makes it longer.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from statistics import quantiles
from threading import Event, Lock
from time import monotonic
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from redis import Redis
from werkzeug.test import TestResponse

from app.local.processes import wait_until
from app.local.valkey import Valkey
from tests.factories import LOAN, Caller
from tests.figures import report
from tests.own_valkey import own_valkey

SECONDS = float(os.environ.get("NEVER_STALE_SECONDS", "4"))  # the promise was tried for 60
CLIENTS = 16
PATIENCE = 60
LONGEST = 2  # seconds for any answer, whatever Redis does


class Tally:
    """What all clients together know to be written, and everything that was wrong."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.begun = self.acknowledged = 0
        self.outages = Counter[str]()
        self.statuses = Counter[int]()
        self.wrong: list[str] = []
        self.seconds: list[float] = []

    def begins(self) -> None:
        with self._lock:
            self.begun += 1

    def is_acknowledged(self) -> None:
        with self._lock:
            self.acknowledged += 1

    def answered(self, status: int, seconds: float) -> None:
        with self._lock:
            self.statuses[status] += 1
            self.seconds.append(seconds)

    def __str__(self) -> str:
        slowest = quantiles(self.seconds, n=100)[98]
        return (
            f"{len(self.seconds)} requests, {lookups('hit'):.0f} found in the cache, "
            f"{dict(self.outages)} outages, {len(self.wrong)} wrong, "
            f"statuses {dict(self.statuses)}, p99 {slowest * 1000:.0f} ms, "
            f"longest {max(self.seconds) * 1000:.0f} ms"
        )


class Client:
    """One who applies for a customer of their own, and believes nothing."""

    def __init__(self, caller: Caller, tally: Tally) -> None:
        self.caller, self.tally = caller, tally
        self.customer = caller.make_customer()["id"]
        self.mine = self.rounds = 0
        self.totals = Counter[str]()

    def work(self, stopped: Event) -> None:
        while not stopped.is_set():
            loan = self.apply()
            self.find_own(loan)
            for path in ("/loans/?page_size=5", "/reports/portfolio", "/loans/?page_size=5"):
                self.compare_total(path)
            self.edit(loan)
            self.rounds += 1

    def send(self, method: str, path: str, body: Any = None) -> TestResponse:
        began_at = monotonic()
        answer: TestResponse = getattr(self.caller, method)(path, body)
        self.tally.answered(answer.status_code, monotonic() - began_at)
        if answer.status_code >= 400:
            self.tally.wrong.append(f"{method} {path}: {answer.text}")
        return answer

    def apply(self) -> dict[str, Any]:
        self.tally.begins()
        made = self.send("post", "/loans/", {**LOAN, "customer_id": self.customer})
        self.tally.is_acknowledged()
        self.mine += 1
        return dict(made.json or {})

    def find_own(self, loan: dict[str, Any]) -> None:
        found = self.send("get", f"/loans/?customer={self.customer}&page_size=1")
        if found.json != [loan] or found.headers["X-Total-Count"] != str(self.mine):
            self.tally.wrong.append(f"{self.mine} written, found {found.text} of {found.headers}")

    def compare_total(self, path: str) -> None:
        least = max(self.tally.acknowledged, self.totals[path])
        answer = self.send("get", path)
        most = self.tally.begun
        total = int(answer.headers.get("X-Total-Count") or answer.json["total"])
        if not least <= total <= most:
            self.tally.wrong.append(f"{path}: {total} is not from {least} to {most}")
        self.totals[path] = total

    def edit(self, loan: dict[str, Any]) -> None:
        changed = self.send("patch", f"/loans/{loan['id']}", {"purpose": f"round {self.rounds}"})
        self.find_own(dict(changed.json or {}))


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with own_valkey() as server:
        yield server


@pytest.fixture
def services(make_app: Callable[..., Flask], valkey: Valkey) -> list[Flask]:
    """Two, like two processes: each with its own connections, and its own view of Redis."""
    told = {"REDIS_URL": valkey.url, "REDIS_TIMEOUT": "0.05", "DATABASE_POOL_SIZE": "8"}
    return [make_app(**told) for _ in range(2)]


def test_nobody_is_ever_told_less_than_was_acknowledged(
    services: list[Flask], admin: Caller, valkey: Valkey
) -> None:
    tally, stopped = Tally(), Event()
    callers = [Caller(app, admin.headers, admin.user) for app in services] * (CLIENTS // 2)
    clients = [Client(caller, tally) for caller in callers]
    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(client.work, stopped) for client in clients]
        try:
            fail_in_turn(valkey, clients, tally)
        finally:
            stopped.set()
        for each in working:
            each.result()
    sys.stdout.write(f"\n{tally}\n")
    report("never stale", told=str(tally))
    assert tally.wrong == []
    assert max(tally.seconds) < LONGEST
    assert min(tally.outages.values()) >= 1
    assert len(tally.outages) == 3


def fail_in_turn(valkey: Valkey, clients: list[Client], tally: Tally) -> None:
    """Stop, pause and flush it, again and again; each time everyone works on, and it comes back."""
    ends_at = monotonic() + SECONDS
    failures = {"stop": valkey.stop, "pause": valkey.pause, "flush": lambda: flush(valkey)}
    ends = {"stop": valkey.start, "pause": valkey.resume, "flush": lambda: None}
    for name in cycle(failures):
        if monotonic() > ends_at and tally.outages[name]:
            return
        wait_for_a_hit()
        failures[name]()
        wait_for_a_round(clients)
        ends[name]()
        tally.outages[name] += 1


def flush(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()


def wait_for_a_round(clients: list[Client]) -> None:
    rounds = [client.rounds for client in clients]
    assert wait_until(
        lambda: all(client.rounds > before for client, before in zip(clients, rounds, strict=True)),
        PATIENCE,
    )


def wait_for_a_hit() -> None:
    """Until the cache is in use again."""
    before = lookups("hit")
    assert wait_until(lambda: lookups("hit") > before, PATIENCE)


def lookups(outcome: str) -> float:
    """How many look-ups of lists and reports came out so, since this process began."""
    counted = (
        REGISTRY.get_sample_value(
            "loans_cache_lookups_total", {"namespace": name, "outcome": outcome}
        )
        for name in ("loan-list", "portfolio")
    )
    return sum(value or 0 for value in counted)
