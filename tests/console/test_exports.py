"""Lists saved as files: all that they have with their filters, whatever their page."""

import csv
import re
from html import unescape
from io import StringIO
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from app.services.exports import AT_ONCE
from tests.authenticator import confirmed
from tests.console.desk import Desk
from tests.credentials import execute
from tests.factories import Caller, Lender, created

RECORDED = "SELECT actor_id, address, details FROM audit_events WHERE action = :action"
HIDDEN = "SELECT password_hash, totp_secret, recovery_digests FROM users WHERE id = :id"
EVENTS = "SELECT count(*) FROM audit_events"
ADMINS_FILES = {
    "/users/export": "id,email,nickname,role,is_active,has_totp,created_at,last_login_at",
    "/api-keys/export": "id,name,prefix,role,created_at,expires_at,last_used_at,created_by",
    "/audit/export": (
        "id,at,actor_id,actor_kind,action,subject,subject_id,request_id,address,details"
    ),
    "/audit/honeypot/export": "id,at,address,name,user_agent",
}


def link_on(page: str) -> str:
    found = re.search(r'<a href="/console([^"]+/export[^"]*)"', page)
    assert found, page
    return unescape(found[1])


def lines_of(file: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(file)))


def names_in(file: str, column: str = "external_id") -> list[str]:
    return [row[column] for row in lines_of(file)]


def make_key(admin: Caller, **values: Any) -> dict[str, Any]:
    return created(admin.post("/auth/api-keys", {"name": "a key", "role": "officer", **values}))


def try_the_honeypot(app: Flask, name: str, agent: str = "curl/8") -> None:
    app.test_client().post("/admin/", data={"username": name}, headers={"User-Agent": agent})


@pytest.fixture
def book(admin: Caller) -> list[str]:
    """Four loans by their external ids, newest first."""
    customer = admin.make_customer(external_id="ada", first_name="Ada", last_name="Lovelace")
    names = [f"loan-{number}" for number in range(4)]
    for number, name in enumerate(names, 1):
        admin.make_loan(customer, external_id=name, amount=f"{number}000.00")
    return names[::-1]


def test_a_list_is_saved_whole_with_its_filters_and_order(
    officers_desk: Desk, book: list[str]
) -> None:
    query = "min_amount=2000&sort=oldest&status=PENDING&status=FLAGGED&page_size=2&max_risk="
    link = link_on(officers_desk.get(f"/loans/?{query}").text)
    file = officers_desk.get(link)
    assert file.status_code == 200
    assert file.mimetype == "text/csv"
    assert file.headers["Content-Disposition"] == 'attachment; filename="loans.csv"'
    assert file.headers["Cache-Control"] == "no-store"
    assert names_in(file.text) == [name for name in book[::-1] if name != "loan-0"]


def test_the_link_stands_on_what_a_script_has_asked_for_too(
    officers_desk: Desk, admin: Caller
) -> None:
    """It is swapped with what was found: it is within what the filters replace."""
    admin.make_customer(first_name="Grace", last_name="Hopper", external_id="grace")
    admin.make_customer(first_name="Ada", last_name="Lovelace", external_id="ada")
    page = officers_desk.get("/customers/?q=hopp", headers={"HX-Request": "true"}).text
    assert page.index('id="results"') < page.index("/customers/export")
    assert names_in(officers_desk.get(link_on(page)).text) == ["grace"]


def test_payments_are_saved_too(officers_desk: Desk, admin: Caller) -> None:
    debt = admin.make_debt()
    for number in range(2):
        admin.pay(debt["customer_id"], "1.00", external_id=f"payment-{number}")
    link = link_on(officers_desk.get("/payments/").text)
    assert names_in(officers_desk.get(link).text) == ["payment-1", "payment-0"]
    assert names_in(officers_desk.get(f"{link}?status=REJECTED&format=").text) == []


def test_where_nothing_was_found_there_is_nothing_to_save(officers_desk: Desk) -> None:
    for path in ("/loans/", "/customers/", "/payments/"):
        assert "/export" not in officers_desk.get(path).text


def test_who_saved_what_is_on_record(officers_desk: Desk, officer: Caller, book: list[str]) -> None:
    assert names_in(officers_desk.get("/loans/export?min_amount=2000").text) == book[:3]
    actor_id, address, details = execute(officer.app, RECORDED, action="loans.exported")
    assert (str(actor_id), str(address)) == (officer.id, "127.0.0.1")
    assert details == {"filters": {"min_amount": "2000"}}


def test_a_cell_that_a_spreadsheet_would_run_is_defused(officers_desk: Desk, admin: Caller) -> None:
    admin.make_customer(first_name="=1+1", external_id="ada")
    assert names_in(officers_desk.get("/customers/export").text, "first_name") == ["'=1+1"]


@pytest.mark.parametrize("query", ["page=2", "format=csv", "min_amount=1.005", "x=1"])
def test_a_question_that_cannot_be_meant_is_told_of(officers_desk: Desk, query: str) -> None:
    refused = officers_desk.get(f"/loans/export?{query}")
    assert (refused.status_code, refused.mimetype) == (422, "text/html")


def test_beyond_what_there_is_room_for_one_is_asked_to_come_back(
    officers_desk: Desk, book: list[str]
) -> None:
    taken = [officers_desk.get("/loans/export", buffered=False) for _ in range(AT_ONCE)]
    refused = officers_desk.get("/loans/export")
    assert (refused.status_code, refused.mimetype) == (503, "text/html")
    assert refused.headers["Retry-After"] == "10"
    for each in taken:
        each.close()
    assert names_in(officers_desk.get("/loans/export").text) == book


def test_users_are_saved_with_their_filters(
    admins_desk: Desk, admin: Caller, lender: Lender
) -> None:
    officers = [lender.user(Role.OFFICER).user for _ in range(3)]
    lender.user(Role.OFFICER, is_active=False)
    query = "role=officer&is_active=true&q=OFFICER&page_size=1"
    file = admins_desk.get(link_on(admins_desk.get(f"/users/?{query}").text))
    assert file.headers["Content-Disposition"] == 'attachment; filename="users.csv"'
    assert names_in(file.text, "email") == [user.email for user in officers[::-1] if user]
    actor_id, _, details = execute(admin.app, RECORDED, action="users.exported")
    assert str(actor_id) == admin.id
    assert details == {"filters": {"role": "officer", "is_active": True, "q": "…"}}


def test_api_keys_are_saved_without_those_that_were_revoked(
    admins_desk: Desk, admin: Caller
) -> None:
    first, revoked, last = (make_key(admin, name=name) for name in ("first", "gone", "last"))
    assert admin.delete(f"/auth/api-keys/{revoked['id']}").status_code == 204
    lines = lines_of(admins_desk.get(link_on(admins_desk.get("/api-keys/?page_size=1").text)).text)
    assert [(line["id"], line["prefix"]) for line in lines] == [
        (key["id"], key["prefix"]) for key in (last, first)
    ]
    assert {line["created_by"] for line in lines} == {admin.id}
    assert execute(admin.app, RECORDED, action="api_keys.exported")[2] == {"filters": {}}


def test_the_audit_trail_is_saved_with_its_filters(admins_desk: Desk, admin: Caller) -> None:
    customers = [admin.make_customer()["id"] for _ in range(3)]
    query = f"action=customer.created&actor_id={admin.id}&from=2026-01-01&page_size=1"
    file = admins_desk.get(link_on(admins_desk.get(f"/audit/?{query}").text)).text
    assert names_in(file, "subject_id") == customers[::-1]
    assert names_in(admins_desk.get(f"/audit/export?subject_id={customers[0]}").text, "action") == [
        "customer.created"
    ]
    assert names_in(admins_desk.get("/audit/export?to=2026-01-01").text, "action") == []
    assert names_in(admins_desk.get("/audit/export").text, "action")[0] == "audit.exported"


def test_the_honeypots_visits_are_saved(admins_desk: Desk, admin: Caller) -> None:
    for name in ("root", "admin"):
        try_the_honeypot(admin.app, name)
    file = admins_desk.get(link_on(admins_desk.get("/audit/honeypot?page_size=1").text)).text
    shown = [(line["address"], line["name"], line["user_agent"]) for line in lines_of(file)]
    assert shown == [("127.0.0.1", name, "curl/8") for name in ("admin", "root")]
    recorded = execute(admin.app, RECORDED, action="honeypot_visits.exported")
    assert str(recorded[0]) == admin.id


@pytest.mark.parametrize("path", ADMINS_FILES)
def test_what_admins_alone_see_they_alone_save(
    officers_desk: Desk, officer: Caller, path: str
) -> None:
    before = execute(officer.app, EVENTS)
    refused = officers_desk.get(path)
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert execute(officer.app, EVENTS) == before


def test_no_file_holds_a_secret(admins_desk: Desk, admin: Caller, officer: Caller) -> None:
    confirmed(officer)
    key = make_key(admin)["key"]
    try_the_honeypot(admin.app, "root")
    hash_, secret, digests = execute(admin.app, HIDDEN, id=officer.id)
    digest = execute(admin.app, "SELECT digest FROM api_keys")[0]
    hidden = [hash_, key, *map(str, (secret, digest, *digests))]
    for path, columns in ADMINS_FILES.items():
        head, *lines = admins_desk.get(path).text.splitlines()
        assert head == columns
        assert len(lines) > 0
        assert [each for each in hidden if each in "".join(lines)] == []
    assert "true" in names_in(admins_desk.get("/users/export").text, "has_totp")


def test_the_cells_of_admins_files_are_defused_too(admins_desk: Desk, admin: Caller) -> None:
    admin.patch("/auth/users/me", {"nickname": "=1+1"})
    make_key(admin, name="@cmd")
    try_the_honeypot(admin.app, "+1+1", agent="-2+3")
    assert names_in(admins_desk.get("/users/export").text, "nickname") == ["'=1+1"]
    assert names_in(admins_desk.get("/api-keys/export").text, "name") == ["'@cmd"]
    (visit,) = lines_of(admins_desk.get("/audit/honeypot/export").text)
    assert (visit["name"], visit["user_agent"]) == ("'+1+1", "'-2+3")
