"""What showing a page asks PostgreSQL: so many looks at most, however much there is to show.

The session is among it. A page that is missing here fails, and so does one that is gone.
"""

from typing import Any

import pytest
from flask import Flask

from app.models import Role
from tests.attacks import good_form
from tests.console.desk import Desk, seated
from tests.credentials import execute
from tests.factories import Caller, Lender
from tests.importing import carry_on

MANY = 12
# At most so many statements, of an admin.
AT_MOST = {
    "/": 3,
    "/nowhere": 1,
    "/login": 0,
    "/me/": 2,
    "/me/second-factor/": 2,
    "/review/": 6,
    "/loans/": 3,
    "/loans/export": 5,
    "/loans/{loan}": 8,
    "/customers/": 2,
    "/customers/export": 5,
    "/customers/{customer}": 11,
    "/payments/": 3,
    "/payments/export": 5,
    "/payments/{payment}": 4,
    "/imports/": 4,
    "/imports/{import}": 6,
    "/imports/{import}/progress": 2,
    "/imports/{import}/errors/export": 7,
    "/users/": 3,
    "/users/export": 5,
    "/users/{user}": 2,
    "/api-keys/": 4,
    "/api-keys/export": 5,
    "/audit/": 3,
    "/audit/export": 5,
    "/audit/honeypot": 3,
    "/audit/honeypot/export": 5,
}
# Or pieces of pages would lead to their pages.
AS_HTMX = {"HX-Request": "true"}
SIZED = {
    *("/review/", "/loans/", "/customers/", "/payments/", "/audit/"),
    *("/imports/", "/imports/{import}"),
}


def furnish(admin: Caller, customer: dict[str, Any]) -> dict[str, str]:
    """One more of each kind; what was applied for before was so long enough ago to be no rule's."""
    execute(admin.app, "UPDATE loans SET created_at = created_at - interval '2 days'")
    loan = admin.make_loan(customer, amount="10.00")
    debt = admin.make_debt(customer, amount="10.00")
    payment = admin.pay(debt["customer_id"], "1.00")
    admin.make_loan(amount="10.00")
    imported = admin.post("/customers/imports", data=good_form()).json["id"]
    carry_on(admin.app, imported)
    admin.post("/auth/api-keys", {"name": "a key", "role": "officer"})
    admin.app.test_client().post("/admin/", data={"username": "root"})
    records = {"customer": customer["id"], "loan": loan["id"], "payment": payment["id"]}
    return {**records, "import": imported}


@pytest.fixture(scope="module")
def book(lasting_lender: Lender) -> tuple[Desk, list[dict[str, str]]]:
    """A desk, and the records of a customer with one of each and of another with many."""
    admin = lasting_lender.user(Role.ADMIN)
    few = furnish(admin, admin.make_customer())
    customer = admin.make_customer()
    many = [furnish(admin, customer) for _ in range(MANY)][-1]
    desk = seated(lasting_lender.app, admin.user)
    assert desk.get("/loans/").status_code == 200
    return desk, [{**each, "user": admin.id} for each in (few, many)]


def test_every_page_has_its_line(app: Flask) -> None:
    shown = {
        rule.rule.removeprefix("/console")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.") and "GET" in (rule.methods or ())
    }
    assert len(shown) == len(AT_MOST)


@pytest.mark.parametrize("path", AT_MOST)
def test_a_page_takes_as_many_looks_however_much_it_shows(
    book: tuple[Desk, list[dict[str, str]]], sent: list[str], path: str
) -> None:
    desk, records = book
    asked = []
    for each, size in zip(records, ("1", "100"), strict=True):
        takes_a_size = path in SIZED
        sent.clear()
        asked_for = path.format(**each) + (f"?page_size={size}" if takes_a_size else "")
        page = desk.get(asked_for, headers=AS_HTMX)
        assert page.status_code in (200, 404)
        asked.append(list(sent))
        page.close()
    assert len(asked[0]) == len(asked[1]) <= AT_MOST[path], asked[1]
