"""Whatever contradicts the ledger is found and named; triggers are off, as an owner can have it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.services import books
from tests.factories import Caller, created

Names = dict[str, str]
Found = Callable[[], list[str]]


@pytest.fixture
def book(admin: Caller) -> Names:
    """Every kind of event, and the ids of what took part in it."""
    ada, bob = admin.make_customer(), admin.make_customer()
    names = {"ada": ada["id"], "bob": bob["id"]}
    for name, customer, amount in (
        ("old", ada, "100.00"),
        ("new", ada, "200.00"),
        ("bobs", bob, "300.00"),
    ):
        names[name] = admin.make_loan(customer, amount=amount)["id"]
        assert admin.post(f"/loans/{names[name]}/activate", {}).status_code == 200
    names["pending"] = admin.make_loan(bob)["id"]
    names["deposit"] = moved(admin, ada, "deposits", "50.00")
    names["withdrawal"] = moved(admin, ada, "withdrawals", "30.00")
    typo = moved(admin, ada, "deposits", "7.00")
    path = f"/customers/{ada['id']}/account/entries/{typo}/reverse"
    names["corrected"] = created(admin.post(path, {"reason": "a typo"}))["id"]
    names["both"] = paid(admin, ada, "150.00")
    names["from_account"] = paid(admin, ada, "20.00", source="account")
    names["undone"] = paid(admin, bob, "40.00")
    path = f"/payments/{names['undone']}/reverse"
    names["undoing"] = created(admin.post(path, {"reason": "it bounced"}))["id"]
    names["rejected"] = paid(admin, bob, "9999.00")
    return names


def moved(admin: Caller, customer: dict[str, Any], kind: str, amount: str) -> str:
    path = f"/customers/{customer['id']}/account/{kind}"
    return str(created(admin.post(path, {"amount": amount}))["id"])


def paid(admin: Caller, customer: dict[str, Any], amount: str, **given: str) -> str:
    body = {"customer_id": customer["id"], "total_amount": amount, **given}
    return str(created(admin.post("/payments/", body))["id"])


@pytest.fixture
def found(app: Flask) -> Found:
    """The differences, one line each."""

    def find() -> list[str]:
        with app.app_context():
            return [str(difference) for difference in books.differences()]

    return find


def test_books_that_the_services_kept_are_right(book: Names, found: Found) -> None:
    assert found() == []


def test_empty_books_are_right(clean: None, found: Found) -> None:
    assert found() == []
