"""Names for ids: as far as whoever looks may know them."""

from typing import Any

from tests.console.desk import Desk
from tests.factories import Caller


def test_admins_read_who_did_it_and_officers_only_of_themselves(
    admins_desk: Desk, officers_desk: Desk, admin: Caller, loan: dict[str, Any]
) -> None:
    other = admins_desk.user
    assert other is not None
    own = officers_desk.user
    assert own is not None
    page = officers_desk.get(f"/loans/{loan['id']}").text
    assert admin.user.email not in page
    assert f"…{admin.id[-8:]}" in page
    assert "by you" in admins_desk.get(f"/loans/{loan['id']}").text


def test_programs_are_called_by_their_keys_names(
    admins_desk: Desk, admin: Caller, loan: dict[str, Any]
) -> None:
    made = admin.post("/auth/api-keys", {"name": "the website", "role": "officer"}).get_json()
    program = Caller(admin.app, {"X-API-Key": made["key"]})
    of_program = program.make_loan()
    assert "API key the website" in admins_desk.get(f"/loans/{of_program['id']}").text


def test_a_customer_without_a_name_is_called_by_the_external_id(
    admins_desk: Desk, admin: Caller
) -> None:
    customer = admin.make_customer(first_name=None, last_name=None, email=None, external_id="crm-9")
    admin.make_loan(customer)
    assert ">crm-9</a>" in admins_desk.get("/loans/").text
