"""Sixteen clients write and everybody folds: at each instant, all that is tallied is exact.

TALLY_SNAPSHOTS makes it longer.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text

from app.db import db
from app.models import Role
from app.services import reports, tallies
from app.services.actor import Actor
from tests.factories import LOAN, Caller
from tests.figures import report
from tests.tallying import DIFFERENCES, differing

SNAPSHOTS = int(os.environ.get("TALLY_SNAPSHOTS", "150"))  # the promise was tried for 1,000
WRITERS, FOLDERS = 16, 2
ADMIN = Actor(id=uuid4(), role=Role.ADMIN)
PORTFOLIO = text(
    "SELECT count(*), coalesce(sum(amount), 0), coalesce(sum(outstanding), 0), "
    "sum(risk_score), count(*) FILTER (WHERE status = 'FLAGGED') FROM loans"
)
# In order, as the status of a loan allows.
LIVES = (
    ("approve", "activate", "pay", "pay", "reverse"),
    ("flag", "clear-flags", "edit", "flag", "approve"),
    ("edit", "reject"),
    ("withdraw",),
    ("activate", "overpay", "pay"),
    ("come", "go"),
)


class Writer:
    """One who does what an admin can, for one customer after another."""

    def __init__(self, caller: Caller, number: int) -> None:
        self.caller = caller
        self.random = Random(number)
        self.done = Counter[str]()

    def work(self, stopped: Event) -> Counter[str]:
        while not stopped.is_set():
            self.customer = self.caller.make_customer()["id"]
            loan = self._send("apply", "/loans/", {**LOAN, "customer_id": self.customer})
            for deed in self.random.choice(LIVES):
                self._do(deed, loan["id"])
        return self.done

    def _do(self, deed: str, loan: str) -> None:
        amount = f"{self.random.randrange(1, 90_000) / 100:.2f}"
        if deed in ("pay", "overpay"):
            more = "9" if deed == "overpay" else ""
            body = {"customer_id": self.customer, "total_amount": f"{more * 9}{amount}"}
            self.paid = self._send(deed, "/payments/", body)["id"]
        elif deed == "reverse":
            self._send(deed, f"/payments/{self.paid}/reverse", {"reason": "it bounced"})
        elif deed == "edit":
            self._send(deed, f"/loans/{loan}", {"amount": amount}, method="patch")
        elif deed == "come":
            self.guest = self.caller.make_customer()["id"]
            self.done[deed] += 1
        elif deed == "go":
            self._send(deed, f"/customers/{self.guest}", method="delete")
        else:
            self._send(deed, f"/loans/{loan}/{deed}", {"reason": "as it is"})

    def _send(self, deed: str, path: str, body: Any = None, *, method: str = "post") -> Any:
        answer = getattr(self.caller, method)(path, body)
        assert answer.status_code < 300, (deed, answer.text)
        self.done[deed] += 1
        return answer.json


@pytest.fixture
def service(make_app: Callable[..., Flask]) -> Flask:
    return make_app(DATABASE_POOL_SIZE=str(WRITERS + FOLDERS + 2))


def test_at_each_instant_all_that_is_tallied_is_exact(service: Flask, admin: Caller) -> None:
    admin.make_loan()
    stopped = Event()
    writers = [
        Writer(Caller(service, admin.headers, admin.user), number) for number in range(WRITERS)
    ]
    with ThreadPoolExecutor(WRITERS + FOLDERS) as pool:
        working = [pool.submit(writer.work, stopped) for writer in writers]
        folding = [pool.submit(fold_until, stopped, service) for _ in range(FOLDERS)]
        try:
            totals = list(compared(service))
        finally:
            stopped.set()
        done = sum((each.result() for each in working), Counter[str]())
        folds = sum(each.result() for each in folding)
    report("exact under load", views=len(totals), folds=folds, writes=sum(done.values()))
    assert len(set(totals)) > SNAPSHOTS / 3  # they were views of different instants
    assert set(done) == {"apply", *(deed for life in LIVES for deed in life)}
    assert folds > 10


def compared(service: Flask) -> Iterator[int]:
    """How many loans each view has, once it was seen to be exact."""
    with service.app_context():
        for _ in range(SNAPSHOTS):
            view = db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            total, amount, outstanding, risk, flagged = view.execute(PORTFOLIO).one()
            told = reports.portfolio(ADMIN)
            assert (told.total, told.by_status["FLAGGED"]) == (total, flagged)
            assert (told.sum_amount, told.sum_outstanding) == (amount, outstanding)
            assert told.avg_risk_score == round(risk / total, 4)
            assert differing(view.exec_driver_sql(DIFFERENCES)) == []
            db.session.rollback()
            yield total


def fold_until(stopped: Event, service: Flask) -> int:
    """How many folds there were to make."""
    with service.app_context():
        return sum(tallies.fold() > 0 for _ in iter(stopped.is_set, True))
