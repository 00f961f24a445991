"""The operations that move money, or decide whether it will."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.factories import LOAN, Caller, created

Record = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request, and what it is to be answered with."""

    path: str
    body: Record = field(default_factory=dict)
    status: int = 201
    shows: Record = field(default_factory=dict)


Prepare = Callable[[Caller], Asked]
OPERATIONS: dict[str, Prepare] = {}


def operation(prepare: Prepare) -> Prepare:
    """Enter what makes the records of one operation and says how to ask for it."""
    OPERATIONS[prepare.__name__.lstrip("_").replace("_", "-")] = prepare
    return prepare


@operation
def _application(admin: Caller) -> Asked:
    body = {**LOAN, "customer_id": admin.make_customer()["id"]}
    return Asked("/loans/", body, shows={"status": "PENDING"})


@operation
def _approval(admin: Caller) -> Asked:
    loan = admin.make_loan()
    return Asked(f"/loans/{loan['id']}/approve", status=200, shows={"status": "APPROVED"})


@operation
def _activation(admin: Caller) -> Asked:
    loan = admin.make_loan()
    return Asked(f"/loans/{loan['id']}/activate", status=200, shows={"status": "ACTIVE"})


@operation
def _payment(admin: Caller) -> Asked:
    """Over three loans, of which it closes two: the oldest are paid first, and whole."""
    body = {"customer_id": _borrower(admin)["id"], "total_amount": "250.01"}
    return Asked("/payments/", body, shows={"status": "COMPLETED", "source": "external"})


@operation
def _payment_from_the_account(admin: Caller) -> Asked:
    paid = {"total_amount": "150.00", "source": "account"}
    body = {"customer_id": _borrower(admin)["id"], **paid}
    return Asked("/payments/", body, shows={"status": "COMPLETED", **paid})


@operation
def _overpayment(admin: Caller) -> Asked:
    body = {"customer_id": _borrower(admin)["id"], "total_amount": "300.01"}
    return Asked("/payments/", body, shows={"status": "REJECTED"})


@operation
def _reversal_of_a_payment(admin: Caller) -> Asked:
    """It had closed one loan, which reopens."""
    body = {"customer_id": _borrower(admin)["id"], "total_amount": "150.00"}
    payment = created(admin.post("/payments/", body))
    shows = {"status": "REVERSED", "reverses": payment["id"]}
    return Asked(f"/payments/{payment['id']}/reverse", {"reason": "paid twice"}, shows=shows)


@operation
def _deposit(admin: Caller) -> Asked:
    return Asked(_account(_borrower(admin), "deposits"), {"amount": "12.34"})


@operation
def _withdrawal(admin: Caller) -> Asked:
    return Asked(_account(_borrower(admin), "withdrawals"), {"amount": "12.34"})


@operation
def _reversal_of_a_deposit(admin: Caller) -> Asked:
    borrower = _borrower(admin)
    deposit = created(admin.post(_account(borrower, "deposits"), {"amount": "12.34"}))
    path = _account(borrower, f"entries/{deposit['id']}/reverse")
    return Asked(path, {"reason": "of another customer"})


def _account(borrower: Record, movement: str) -> str:
    return f"/customers/{borrower['id']}/account/{movement}"


def _borrower(admin: Caller) -> Record:
    """A customer who owes 100.00 on each of three loans, and has all of it in the account."""
    borrower = admin.make_customer()
    for _ in range(3):
        loan = admin.make_loan(borrower, amount="100.00")
        assert admin.post(f"/loans/{loan['id']}/activate", {}).status_code == 200
    return borrower
