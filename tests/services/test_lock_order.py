"""Locks are taken in one order, customer, account, loans by id, whatever moves the money."""

import re
from collections.abc import Callable

import pytest

from tests.factories import Caller, created

LOCKING = re.compile(r"SELECT .*? FROM (\w+) (?:.* )?FOR UPDATE")
CUSTOMER, ACCOUNT, LOANS = "customers", "accounts", "loans by id"


@pytest.fixture
def locked(sent: list[str]) -> Callable[[], list[str]]:
    """What was locked since it was last asked, in order; of loans, whether by id."""

    def since() -> list[str]:
        told = [" ".join(statement.split()) for statement in sent]
        sent.clear()
        return [
            found[1] + (" by id" if "ORDER BY loans.id FOR UPDATE" in statement else "")
            for statement in told
            if (found := LOCKING.match(statement))
        ]

    return since


def test_whatever_moves_money_locks_in_one_order(
    admin: Caller, locked: Callable[[], list[str]]
) -> None:
    customer = admin.make_customer()
    loan, account = admin.make_loan(customer)["id"], f"/customers/{customer['id']}/account"
    locked()
    assert admin.post(f"/loans/{loan}/activate").status_code == 200
    assert locked() == [CUSTOMER, ACCOUNT, "loans"]
    body = {"customer_id": customer["id"], "total_amount": "10.00"}
    created(admin.post("/payments/", body))
    assert locked() == [CUSTOMER, LOANS]
    payment = created(admin.post("/payments/", {**body, "source": "account"}))["id"]
    assert locked() == [CUSTOMER, ACCOUNT, LOANS]
    created(admin.post(f"/payments/{payment}/reverse", {"reason": "undone"}))
    assert locked() == [CUSTOMER, ACCOUNT, LOANS]
    entry = created(admin.post(f"{account}/withdrawals", {"amount": "1.00"}))["id"]
    assert locked() == [CUSTOMER, ACCOUNT]
    created(admin.post(f"{account}/entries/{entry}/reverse", {"reason": "undone"}))
    assert locked() == [CUSTOMER, ACCOUNT]
