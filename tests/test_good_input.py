"""What a client may send is taken, to the cent; what is attacked elsewhere is good by itself."""

import json
from io import BytesIO

import pytest
from flask import Flask

from app.schemas.accounts import MovementIn
from app.schemas.fields import Money
from tests.attacks import MILLION, Route, World, refusal, routes
from tests.factories import LOAN, Caller, created

READING = [route for route in routes() if route.contract.body]
TAKING = [route for route in routes() if route.contract.upload]
A_MEBIBYTE = 1024 * 1024
MONEY_FIELDS = [
    (route, name)
    for route in READING
    for name, field in route.body_fields.items()
    if isinstance(field, Money) and route.contract.body is not MovementIn
]


KEPT = {
    "0.01": "0.01",
    "0.29": "0.29",
    "1.1": "1.10",
    "4.35": "4.35",
    "1000.5": "1000.50",
    "25000": "25000.00",
    "999999999999.99": "999999999999.99",
}


@pytest.mark.parametrize("route", READING, ids=str)
def test_the_body_under_attack_is_good_when_left_alone(
    app: Flask, clean: None, route: Route
) -> None:
    world = World(app)
    response = world.send(route, json.dumps(world.good_body(route)))
    assert response.status_code == route.contract.status, response.get_data(as_text=True)


@pytest.mark.parametrize("route", TAKING, ids=str)
def test_the_file_that_is_sent_where_nothing_else_is_said_is_good(
    app: Flask, clean: None, route: Route
) -> None:
    assert World(app).send(route).status_code == route.contract.status


@pytest.mark.parametrize(("route", "name"), MONEY_FIELDS, ids=str)
def test_money_is_kept_to_the_cent(app: Flask, clean: None, route: Route, name: str) -> None:
    world = World(app)
    for amount, kept in KEPT.items():
        for literal in (amount, f'"{amount}"'):
            response = world.send(route, world.with_literal(route, name, literal))
            assert response.get_json()[name] == kept


def test_money_goes_into_an_account_and_out_of_it_to_the_cent(admin: Caller) -> None:
    account = f"/customers/{admin.make_customer()['id']}/account"
    for amount, kept in KEPT.items():
        for literal in (amount, f'"{amount}"'):
            body = {"data": f'{{"amount": {literal}}}', "content_type": "application/json"}
            for movement, balance in (("deposits", kept), ("withdrawals", "0.00")):
                entry = created(admin.post(f"{account}/{movement}", **body))
                assert (entry["amount"], entry["balance_after"]) == (kept, balance)
                assert admin.get(account).json["balance"] == balance


def test_debts_beyond_the_largest_amount_are_summed_to_the_cent(admin: Caller) -> None:
    customer = admin.make_customer()
    for _ in range(2):
        admin.make_loan(customer, amount="999999999999.99")
    balance = admin.get(f"/customers/{customer['id']}/balance").get_json()
    assert balance["total_debt"] == "1999999999999.98"


def test_a_report_sums_beyond_the_largest_amount_to_the_cent(admin: Caller) -> None:
    for _ in range(3):
        admin.make_loan(amount="999999999999.99")
    report = admin.get("/reports/portfolio").get_data(as_text=True)
    assert '"sum_amount":2999999999999.97' in report


def test_the_largest_expenses_beside_no_income_are_scored(admin: Caller) -> None:
    loan = admin.make_loan(expenses="999999999999.99", income="0")
    assert loan["risk_score"] == "1.00"


def test_a_customer_is_kept_from_an_e_mail_that_differs_but_in_case(admin: Caller) -> None:
    admin.make_customer(email="Ada@example.com")
    other = {"first_name": "A", "last_name": "B", "email": "aDA@EXAMPLE.com"}
    assert refusal(admin.post("/customers/", other)) == 409


def test_a_user_is_kept_from_an_e_mail_that_differs_but_in_case(admin: Caller) -> None:
    other = {"email": admin.user.email.upper(), "password": "correct horse battery"}
    assert refusal(admin.post("/auth/register", other)) == 409


def test_a_text_of_a_million_characters_fits_into_a_body() -> None:
    assert len(MILLION) < 1024 * 1024 - len(json.dumps(LOAN)) - 100


def test_a_body_of_a_mebibyte_is_read(admin: Caller) -> None:
    body = b'{"external_id": "padded"}'.ljust(A_MEBIBYTE)
    response = admin.post("/customers/", data=body, content_type="application/json")
    assert created(response)["external_id"] == "padded"


def test_a_body_of_a_mebibyte_is_read_without_its_length(admin: Caller) -> None:
    response = admin.post(
        "/customers/",
        input_stream=BytesIO(b'{"external_id": "padded"}'.ljust(A_MEBIBYTE)),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert created(response)["external_id"] == "padded"
