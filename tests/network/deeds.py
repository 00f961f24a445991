"""Every request that moves money, with what must be there before it, and what it leaves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask

from tests.credentials import execute
from tests.factories import LOAN, Caller, created

BOOKS = """
SELECT (SELECT balance FROM accounts WHERE customer_id = :customer) AS balance,
       (SELECT array_agg(status || ' ' || outstanding ORDER BY created_at, id)
        FROM loans WHERE customer_id = :customer) AS loans,
       (SELECT array_agg(status || ' ' || total_amount ORDER BY created_at, id)
        FROM payments WHERE customer_id = :customer) AS payments,
       (SELECT array_agg(kind || ' ' || direction || ' ' || entries.amount ORDER BY entries.id)
        FROM entries JOIN journal ON journal.id = journal_id
        JOIN journal_of_customer USING (journal_id)) AS entries
"""
JOURNALS = """
WITH journal_of_customer AS (
    SELECT DISTINCT journal_id FROM entries LEFT JOIN loans ON loans.id = loan_id
    WHERE :customer IN (entries.customer_id, loans.customer_id))
"""

Books = tuple[Any, ...]


@dataclass(frozen=True)
class Request:
    """One request, and the customer whose money it moves."""

    customer: str
    path: str
    body: Mapping[str, Any]


Deed = Callable[[Caller], Request]


def applying(admin: Caller) -> Request:
    customer = admin.make_customer()["id"]
    return Request(customer, "/loans/", {**LOAN, "customer_id": customer})


def activating(admin: Caller) -> Request:
    loan = admin.make_loan()
    return Request(loan["customer_id"], f"/loans/{loan['id']}/activate", {})


def paying(admin: Caller, source: str = "external") -> Request:
    """More than the older of two loans, whose amounts are in the account."""
    customer = admin.make_customer()
    for amount in ("100.00", "200.00"):
        loan = admin.make_loan(customer, amount=amount)
        assert admin.post(f"/loans/{loan['id']}/activate").status_code == 200
    body = {"customer_id": customer["id"], "total_amount": "150.00", "source": source}
    return Request(customer["id"], "/payments/", body)


def paying_from_account(admin: Caller) -> Request:
    return paying(admin, "account")


def depositing(admin: Caller) -> Request:
    customer = admin.make_customer()["id"]
    return Request(customer, f"/customers/{customer}/account/deposits", {"amount": "10.00"})


def withdrawing(admin: Caller) -> Request:
    deposit = depositing(admin)
    created(admin.post(deposit.path, deposit.body))
    path = f"/customers/{deposit.customer}/account/withdrawals"
    return Request(deposit.customer, path, {"amount": "4.00"})


def reversing_a_payment(admin: Caller) -> Request:
    payment = paying_from_account(admin)
    paid = created(admin.post(payment.path, payment.body))
    return Request(payment.customer, f"/payments/{paid['id']}/reverse", {"reason": "by mistake"})


def reversing_a_deposit(admin: Caller) -> Request:
    return _undoing(admin, depositing(admin))


def reversing_a_withdrawal(admin: Caller) -> Request:
    return _undoing(admin, withdrawing(admin))


DEEDS: tuple[Deed, ...] = (
    applying,
    activating,
    paying,
    paying_from_account,
    depositing,
    withdrawing,
    reversing_a_payment,
    reversing_a_deposit,
    reversing_a_withdrawal,
)


def books_of(app: Flask, customer: str) -> Books:
    """All that moving a customer's money leaves, without ids and times."""
    return tuple(execute(app, JOURNALS + BOOKS, customer=customer))


def _undoing(admin: Caller, movement: Request) -> Request:
    moved = created(admin.post(movement.path, movement.body))
    path = f"/customers/{movement.customer}/account/entries/{moved['id']}/reverse"
    return Request(movement.customer, path, {"reason": "by mistake"})
