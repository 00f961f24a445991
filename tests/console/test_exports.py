"""Lists saved as files: all that they have with their filters, whatever their page."""

import csv
import re
from html import unescape
from io import StringIO

import pytest

from app.services.exports import AT_ONCE
from tests.console.desk import Desk
from tests.credentials import execute
from tests.factories import Caller

RECORDED = "SELECT actor_id, address, details FROM audit_events WHERE action = :action"


def link_on(page: str) -> str:
    found = re.search(r'<a href="/console([^"]+/export[^"]*)"', page)
    assert found, page
    return unescape(found[1])


def names_in(file: str, column: str = "external_id") -> list[str]:
    return [row[column] for row in csv.DictReader(StringIO(file))]


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
