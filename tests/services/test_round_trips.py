"""What a log-in, an application and a movement of money ask PostgreSQL, one round trip each."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.authenticator import confirmed
from tests.credentials import log_in
from tests.factories import LOAN, Caller, created
from tests.statements import shape

CREDENTIAL = "SELECT users"
LOCKED = (CREDENTIAL, "BEGIN", "SELECT customers FOR UPDATE")
FACTS = "SELECT loans"
APPLIED = "INSERT INTO loans and INSERT INTO loan_events and INSERT INTO audit_events"
BOOKED = "INSERT INTO audit_events and INSERT INTO journal and INSERT INTO entries"

FOUND = ("SELECT known_places", "SELECT login_failures", "SELECT users")
READ_ANEW = "SELECT users"
LET_IN = (
    *("UPDATE users", "DELETE", "INSERT known_places"),
    *("INSERT login_sessions", "INSERT audit_events", "COMMIT"),
    "SELECT signing_keys",
)

Asked = Callable[..., list[str]]
LoggedIn = Callable[..., list[str]]


@pytest.fixture
def asked(sent: list[str], officer: Caller) -> Asked:
    """The shapes of the statements that a request to create something sends."""

    def ask(path: str, body: dict[str, str], caller: Caller = officer) -> list[str]:
        sent.clear()
        created(caller.post(path, body))
        return list(map(shape, sent))

    return ask


@pytest.fixture
def logged_in(sent: list[str]) -> LoggedIn:
    """The shapes of the statements that a log-in sends."""

    def log(user: Caller, otp: str | None = None) -> list[str]:
        sent.clear()
        assert log_in(user.app, user.user.email, otp=otp).status_code == 200
        return list(map(shape, sent))

    return log


def test_a_log_in(officer: Caller, logged_in: LoggedIn) -> None:
    assert logged_in(officer) == [*FOUND, "BEGIN", READ_ANEW, *LET_IN]


def test_a_log_in_with_a_second_factor(officer: Caller, logged_in: LoggedIn) -> None:
    app = confirmed(officer)
    for otp in (app.code(), app.recovery_codes[0]):
        proven = [f"{READ_ANEW} FOR UPDATE", "SELECT login_failures", "SELECT", "UPDATE users"]
        assert logged_in(officer, otp) == [*FOUND, "BEGIN", READ_ANEW, *proven, *LET_IN]


def test_an_application(admin: Caller, asked: Asked) -> None:
    body = {**LOAN, "customer_id": admin.make_customer()["id"]}
    assert asked("/loans/", body) == [*LOCKED, FACTS, APPLIED, "COMMIT"]


def test_an_application_within_a_line_of_credit(admin: Caller, asked: Asked) -> None:
    customer = admin.make_customer(credit_limit="90000.00")
    body = {**LOAN, "customer_id": customer["id"]}
    assert asked("/loans/", body) == [*LOCKED, FACTS, APPLIED, "COMMIT"]


def test_an_application_that_is_flagged(admin: Caller, asked: Asked) -> None:
    body = {**LOAN, "customer_id": admin.make_customer()["id"], "amount": "5000000.01"}
    flagged = f"{APPLIED} and INSERT INTO fraud_flags and INSERT INTO flag_notices"
    *before, written, _ = asked("/loans/", body)
    assert before == [*LOCKED, FACTS]
    assert sorted(written.split(" and ")) == sorted(flagged.split(" and "))


def test_an_application_that_is_approved_at_once(
    make_app: Callable[..., Flask], admin: Caller, asked: Asked
) -> None:
    unseen = Caller(make_app(AUTO_APPROVE_BELOW="25000.00"), admin.headers)
    assert unseen.get("/loans/").status_code == 200  # to connect takes statements of its own
    body = {**LOAN, "customer_id": admin.make_customer()["id"], "amount": "500.00"}
    assert asked("/loans/", body, unseen) == [*LOCKED, FACTS, APPLIED, "COMMIT"]


def test_a_payment(admin: Caller, asked: Asked) -> None:
    customer = admin.make_customer()
    for _ in range(2):
        admin.make_debt(customer)
    body = {"customer_id": customer["id"], "total_amount": "5.00"}
    locked = [*LOCKED, "SELECT loans FOR UPDATE"]
    assert asked("/payments/", body) == [
        *locked,
        "UPDATE loans",
        f"INSERT INTO payments and {BOOKED}",
        "COMMIT",
    ]
    rejected = {**body, "total_amount": "500000.00"}
    assert asked("/payments/", rejected) == [
        *locked,
        "INSERT INTO payments and INSERT INTO audit_events",
        "COMMIT",
    ]


def test_a_deposit(admin: Caller, asked: Asked) -> None:
    account = f"/customers/{admin.make_debt()['customer_id']}/account"
    assert asked(f"{account}/deposits", {"amount": "12.00"}) == [
        *LOCKED,
        "SELECT accounts FOR UPDATE",
        "UPDATE accounts",
        "INSERT INTO journal and INSERT INTO entries and INSERT INTO audit_events",
        "COMMIT",
    ]
