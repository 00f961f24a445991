"""Deeds counted for the metrics: each once, when it is committed, and never otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY

from app.db import db
from app.services import audit
from tests.credentials import log_in
from tests.factories import LOAN, PASSWORD, Caller, created

LARGE = "5000000.01"


def counted() -> dict[str, float]:
    """All that is counted of deeds, by the values of its labels, without what is 0."""
    names = ("decisions", "payments", "fraud_findings", "logins", "login_failures")
    return {
        " ".join([metric.name.removeprefix("loans_"), *sample.labels.values()]): sample.value
        for metric in REGISTRY.collect()
        if metric.name.removeprefix("loans_") in names
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.value
    }


@contextmanager
def counting() -> Iterator[dict[str, float]]:
    """What is counted within the block, filled in at its end."""
    before, grown = counted(), {}
    yield grown
    now = counted()
    grown |= {key: now[key] - before.get(key, 0) for key in now if now[key] != before.get(key, 0)}


def test_decisions_are_counted_by_what_and_who(admin: Caller, make_app: Any) -> None:
    loans = [admin.make_loan()["id"] for _ in range(4)]
    policy = Caller(make_app(AUTO_APPROVE_BELOW="900.00"), admin.headers)
    customer = admin.make_customer()["id"]
    with counting() as grown:
        for loan, deed in zip(loans, ("approve", "reject", "withdraw", "activate"), strict=True):
            assert admin.post(f"/loans/{loan}/{deed}").status_code == 200
        assert admin.post(f"/loans/{loans[0]}/approve").status_code == 409
        created(policy.post("/loans/", {**LOAN, "customer_id": customer, "amount": "500.00"}))
        flagged = admin.make_loan(amount=LARGE)["id"]
        assert admin.post(f"/loans/{flagged}/clear-flags", {"reason": "known"}).status_code == 200
        assert admin.post(f"/loans/{flagged}/flag", {"reason": "doubt"}).status_code == 200
    assert grown == {
        "decisions approved person": 2,  # one of them on the way to be disbursed
        "decisions rejected person": 1,
        "decisions withdrawn person": 1,
        "decisions activated person": 1,
        "decisions approved policy": 1,
        "decisions flagged policy": 1,
        "decisions flags_cleared person": 1,
        "decisions flagged person": 1,
        "fraud_findings amount": 1,
        "fraud_findings manual": 1,
    }


def test_payments_are_counted_by_what_became_of_them(admin: Caller) -> None:
    customer = admin.make_debt()["customer_id"]
    with counting() as grown:
        payment = admin.pay(customer, "10.00")
        admin.pay(customer, "20.00")
        admin.pay(customer, "900000.00")
        undo = f"/payments/{payment['id']}/reverse"
        assert admin.post(undo, {"reason": "a mistake"}).status_code < 300
        assert admin.post(undo, {"reason": "a mistake"}).status_code == 409
    assert grown == {
        "payments COMPLETED": 2,
        "payments REJECTED": 1,
        "payments REVERSED": 1,
    }


def test_what_is_answered_again_is_not_counted_again(admin: Caller) -> None:
    customer = admin.make_debt()["customer_id"]
    body = {"customer_id": customer, "total_amount": "10.00"}
    with counting() as grown:
        for _ in range(3):
            created(admin.post("/payments/", body, headers={"Idempotency-Key": "once"}))
    assert grown == {"payments COMPLETED": 1}


def test_what_is_rolled_back_is_not_counted(
    admin: Caller, loan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    record = audit.record

    def breaks(*args: Any, **details: Any) -> None:
        record(*args, **details)
        raise RuntimeError("broken")

    monkeypatch.setattr(audit, "record", breaks)
    with counting() as grown:
        assert admin.post(f"/loans/{loan['id']}/approve").status_code == 500
    assert grown == {}


def test_log_ins_and_failures_are_counted(
    make_app: Callable[..., Flask], admin: Caller, lender: Any
) -> None:
    app = make_app(LOGIN_FAILURES_ALLOWED="2")
    assert admin.user
    with counting() as grown:
        assert log_in(app, admin.user.email).status_code == 200
        for status in (401, 401, 429, 429):
            assert log_in(app, admin.user.email, PASSWORD + "x").status_code == status
        assert log_in(app, "nobody@lender.example.com").status_code == 401
    assert grown == {"logins": 1, "login_failures wrong": 3, "login_failures too many": 2}


def test_each_deed_is_there_from_the_start_as_nothing(admin: Caller) -> None:
    """A rate needs a beginning: an alert would miss the first of its kind."""
    text = admin.get("/metrics").text
    for sample in (
        'loans_decisions_total{by="policy",decision="rejected"}',
        'loans_payments_total{status="REVERSED"}',
        'loans_fraud_findings_total{rule="shared-phone"}',
        'loans_login_failures_total{reason="too many"}',
        'loans_database_pool_timeouts_total{pool="primary"}',
        'loans_task_runs_total{outcome="failed",task="forget_expired"}',
    ):
        assert sample in text


def test_the_pool_tells_who_has_a_connection_and_who_waited_for_one(
    make_app: Callable[..., Flask],
) -> None:
    app = make_app(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="0.1")

    def figure(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"loans_database_pool_{name}", labels) or 0

    with app.app_context():
        engine = db.engine
    primary = {"pool": "primary"}
    waits = figure("wait_seconds_count", **primary)
    timeouts = figure("timeouts_total", **primary)
    before = figure("in_use", pool="primary")
    with engine.connect():
        assert figure("in_use", pool="primary") == before + 1
        assert app.test_client().get("/ping").status_code == 503
    assert app.test_client().get("/ping").status_code == 200
    assert figure("in_use", pool="primary") == before
    assert figure("wait_seconds_count", **primary) == waits + 1
    assert figure("timeouts_total", **primary) == timeouts + 1
    assert figure("wait_seconds_sum", **primary) >= 0.1
    assert figure("size", pool="primary") == 1
