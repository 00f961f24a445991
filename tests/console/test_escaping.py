"""What people typed is text on every page, and never markup."""

import re
from io import BytesIO
from typing import Any

import pytest

from tests.console.desk import Desk, told
from tests.factories import Caller, created
from tests.importing import carry_on

MARKUP = '<script>alert("1")</script>'
QUOTES = "\"'><img src=x onerror=alert(1)>{{7*7}}"
NAMED = {"first_name": MARKUP, "last_name": QUOTES, "external_id": "a'b\"<i>"}


@pytest.fixture
def hostile(admin: Caller) -> dict[str, Any]:
    """One customer, loan, payment, entry, user, key and attempt, all named by an attacker."""
    customer = admin.make_customer(**NAMED)
    loan = admin.make_loan(customer, purpose=MARKUP, external_id="<b>loan\"'")
    assert admin.post(f"/loans/{loan['id']}/flag", {"reason": MARKUP}).status_code == 200
    debt = admin.make_debt(customer, purpose=QUOTES)
    payment = admin.pay(customer["id"], "1.00", external_id="<u>paid\"'")
    deposits = f"/customers/{customer['id']}/account/deposits"
    created(admin.post(deposits, {"amount": "1.00", "note": MARKUP}))
    admin.patch("/auth/users/me", {"nickname": MARKUP})
    created(admin.post("/auth/api-keys", {"name": MARKUP, "role": "officer"}))
    agent = {"User-Agent": MARKUP}
    admin.app.test_client().post("/admin/", data={"username": QUOTES}, headers=agent)
    file = {"file": (BytesIO(f"{MARKUP},1\n{QUOTES}\n".encode()), "<script>.csv")}
    imported = admin.post("/customers/imports", data=file).json
    carry_on(admin.app, imported["id"])
    made = {"customer": customer, "loan": loan, "debt": debt, "payment": payment}
    return {**made, "import": imported}


def test_no_page_runs_what_a_name_says(admins_desk: Desk, hostile: dict[str, Any]) -> None:
    shown = 0
    for path in (
        *("/", "/review/", "/loans/", "/customers/", "/payments/", "/users/", "/api-keys/"),
        *("/audit/", "/audit/honeypot", "/me/", f"/loans/{hostile['loan']['id']}"),
        *(f"/loans/{hostile['debt']['id']}", f"/customers/{hostile['customer']['id']}"),
        *("/imports/", f"/imports/{hostile['import']['id']}"),
        *(f"/payments/{hostile['payment']['id']}", f"/users/{admins_desk.user.id}"),
        "/customers/?q=%3Cscript%3Ealert(1)%3C/script%3E&external_id=%22onclick=alert(1)",
        "/customers/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/loans/?status=%3Cscript%3Ealert(1)%3C/script%3E",
        "/login?next=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ):
        page = admins_desk.get(path)
        assert page.status_code in (200, 404, 422), path
        assert "<script>" not in page.text, path
        assert "<img" not in page.text, path
        assert not re.search(r"<(?:i|b|u)>", page.text), path
        assert "onclick=alert" not in page.text.replace("&#34;onclick=alert", ""), path
        shown += page.text.count("&lt;script&gt;") + page.text.count("onerror=")
    assert shown > 15


def test_what_was_typed_into_a_refused_form_is_text(officers_desk: Desk) -> None:
    form = {"first_name": MARKUP, "last_name": QUOTES, "email": QUOTES}
    page = officers_desk.post("/customers/", form)
    assert page.status_code == 422
    assert "<script>" not in page.text
    assert "<img" not in page.text
    assert "&lt;script&gt;" in page.text


def test_a_file_and_its_bad_lines_are_called_by_text(
    officers_desk: Desk, hostile: dict[str, Any]
) -> None:
    page = officers_desk.get(f"/imports/{hostile['import']['id']}").text
    assert "<h1>&lt;script&gt;.csv</h1>" in page
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;,1</td>" in page
    form = {"dry_run": "true", "file": (BytesIO(b"ada,1\n"), "<script>.csv")}
    (said,) = told(officers_desk, officers_desk.post("/imports/", form))
    assert said == "<script>.csv has been taken in."


def test_what_is_told_is_text(admins_desk: Desk, admin: Caller) -> None:
    form = {"email": '"<script>"@example.com', "password": "a long password"}
    page = admins_desk.post("/users/", form)
    assert "<script>" not in page.text


def test_a_message_of_somebodys_making_is_not_told(officers_desk: Desk) -> None:
    officers_desk.plant("W1siZG9uZSIsIllvdXIgYWNjb3VudCJdXQ.x", "console-told")
    page = officers_desk.get("/loans/")
    assert page.status_code == 200
    assert "Your account" not in page.text
