"""Loans over HTTP: applying, finding, editing, explaining."""

from typing import Any

import pytest

from tests.factories import LOAN, Caller, created

SHAPE = [
    "id",
    "external_id",
    "customer_id",
    "customer_external_id",
    "amount",
    "term_months",
    "purpose",
    "income",
    "expenses",
    "risk_score",
    "status",
    "outstanding",
    "fraud_flags",
    "contract_version",
    "maximum_payment_date",
    "taken_at",
    "created_by",
    "created_at",
    "updated_at",
]
TOO_RISKY = {"amount": "50000", "term_months": 60}


def test_an_application_is_scored_and_pending(officer: Caller) -> None:
    customer = officer.make_customer(external_id="c-1")
    extra = {
        "external_id": "l-1",
        "contract_version": "v2",
        "maximum_payment_date": "2030-02-28",
        "customer_external_id": "c-1",
    }
    response = officer.post("/loans/", {**LOAN, **extra})
    loan = created(response)
    assert list(loan) == SHAPE
    assert loan.items() >= {**LOAN, **extra}.items()
    assert loan["customer_id"] == customer["id"]
    assert (loan["risk_score"], loan["status"], loan["outstanding"]) == ("0.50", "PENDING", "0.00")
    assert (loan["fraud_flags"], loan["taken_at"], loan["created_by"]) == ([], None, officer.id)
    assert response.headers["Location"] == f"/loans/{loan['id']}"
    for ref in (loan["id"], "l-1"):
        found = officer.get(f"/loans/{ref}")
        assert (found.json, found.headers["ETag"]) == (loan, response.headers["ETag"])


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"customer_id": "01a1fbdc-d727-7433-8f8d-0fa5d8d5aeb0", "customer_external_id": "c-1"},
        {"customer_id": "c-1"},
    ],
)
def test_an_application_names_one_customer_rightly(officer: Caller, names: dict[str, str]) -> None:
    officer.make_customer(external_id="c-1")
    refused = officer.post("/loans/", {**LOAN, **names})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["customer_id"])


def test_an_application_for_nobody_is_not_found(officer: Caller) -> None:
    refused = officer.post("/loans/", {**LOAN, "customer_external_id": "nobody"})
    assert (refused.status_code, refused.json["code"]) == (404, "customer-not-found")


def test_an_inactive_customer_cannot_apply(officer: Caller) -> None:
    customer = officer.make_customer(status="INACTIVE")
    refused = officer.post("/loans/", {**LOAN, "customer_id": customer["id"]})
    assert (refused.status_code, refused.json["code"]) == (422, "customer-inactive")


def test_a_loans_external_id_is_unique(officer: Caller) -> None:
    loan = officer.make_loan(external_id="l-1")
    again = {**LOAN, "customer_id": loan["customer_id"], "external_id": "l-1"}
    refused = officer.post("/loans/", again)
    assert (refused.status_code, refused.json["code"]) == (409, "external-id-taken")


def test_an_application_fits_the_limit_to_the_cent(officer: Caller) -> None:
    customer = officer.make_customer(credit_limit="100.00")
    officer.make_loan(customer, amount="60.00")
    over = {**LOAN, "customer_id": customer["id"], "amount": "40.01"}
    refused = officer.post("/loans/", over)
    assert (refused.status_code, refused.json["code"]) == (422, "credit-limit-exceeded")
    assert refused.json["detail"] == "Credit limit exceeded: 40.01 asked, 40.00 available."
    officer.make_loan(customer, amount="40.00")
    assert officer.get(f"/customers/{customer['id']}/balance").json["available_credit"] == "0.00"


def test_an_edit_scores_anew_and_fits_the_limit(officer: Caller) -> None:
    customer = officer.make_customer(credit_limit="30000")
    loan = officer.make_loan(customer)
    path = f"/loans/{loan['id']}"
    edited = officer.patch(path, {"amount": "30000", "term_months": 60, "purpose": "two vans"})
    assert (
        edited.json.items()
        >= {
            "amount": "30000.00",
            "term_months": 60,
            "purpose": "two vans",
            "risk_score": "0.67",
            "status": "PENDING",
            "income": "60000.00",
        }.items()
    )
    refused = officer.patch(path, {"amount": "30000.01"})
    assert (refused.status_code, refused.json["code"]) == (422, "credit-limit-exceeded")
    assert officer.get(path).json == edited.json


def test_an_edit_that_does_not_touch_the_figures_leaves_the_score(officer: Caller) -> None:
    loan = officer.make_loan()
    edited = officer.patch(f"/loans/{loan['id']}", {"purpose": "else"}).json
    assert edited["risk_score"] == loan["risk_score"]


@pytest.mark.parametrize("deed", ["approve", "reject", "withdraw", "activate"])
def test_a_decided_application_is_not_edited(admin: Caller, deed: str) -> None:
    loan = admin.make_loan()
    assert admin.post(f"/loans/{loan['id']}/{deed}").status_code == 200
    refused = admin.patch(f"/loans/{loan['id']}", {"amount": "1"})
    assert (refused.status_code, refused.json["code"]) == (409, "loan-not-editable")


@pytest.mark.parametrize("body", [{}, {"amount": "25000.00"}])
def test_nor_is_it_edited_in_nothing(admin: Caller, body: dict[str, str]) -> None:
    loan = admin.make_loan()
    assert admin.patch(f"/loans/{loan['id']}", body).json == loan
    admin.post(f"/loans/{loan['id']}/reject")
    assert admin.patch(f"/loans/{loan['id']}", body).status_code == 409


def test_a_reason_goes_with_a_decision(admin: Caller) -> None:
    loan = admin.make_loan()
    refused = admin.patch(f"/loans/{loan['id']}", {"reason": "why not"})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["reason"])


def test_a_flagged_application_may_still_be_edited(admin: Caller) -> None:
    loan = admin.make_loan()
    admin.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    edited = admin.patch(f"/loans/{loan['id']}", {"amount": "1"})
    assert (edited.status_code, edited.json["status"]) == (200, "FLAGGED")


def test_a_score_is_explained_by_its_factors(officer: Caller) -> None:
    loan = officer.make_loan()
    assert officer.get(f"/loans/{loan['id']}/risk").json == {
        "risk_score": "0.50",
        "unrounded": "0.496665555574",
        "factors": [
            {
                "name": "amount",
                "input": "0.500000000000",
                "weight": "0.5",
                "contribution": "0.250000000000",
            },
            {
                "name": "term_months",
                "input": "0.600000000000",
                "weight": "0.3",
                "contribution": "0.180000000000",
            },
            {
                "name": "expenses_to_income",
                "input": "0.333327777870",
                "weight": "0.2",
                "contribution": "0.066665555574",
            },
        ],
    }


@pytest.fixture
def book(admin: Caller) -> list[dict[str, Any]]:
    """Newest first: rejected 300, flagged 200, pending 100 of another customer."""
    first = admin.make_customer(external_id="first")
    other = admin.make_customer(external_id="other")
    loans = [
        admin.make_loan(first, amount="100", income="0", expenses="1"),
        admin.make_loan(other, amount="200"),
        admin.make_loan(other, amount="300"),
    ]
    admin.post(f"/loans/{loans[1]['id']}/flag", {"reason": "odd"})
    admin.post(f"/loans/{loans[2]['id']}/reject")
    return [admin.get(f"/loans/{loan['id']}").json for loan in reversed(loans)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2]),
        ("status=PENDING", [2]),
        ("status=PENDING&status=FLAGGED", [1, 2]),
        ("status=PAID", []),
        ("customer=other", [0, 1]),
        ("customer=nobody", []),
        ("min_amount=200", [0, 1]),
        ("min_amount=200.01&max_amount=300", [0]),
        ("max_amount=200.00", [1, 2]),
        ("min_risk=0.38", [2]),
        ("max_risk=0.37", [0, 1]),
        ("flagged=true", [1]),
        ("flagged=false", [0, 2]),
        ("page=2&page_size=2", [2]),
    ],
)
def test_loans_are_listed_newest_first_and_filtered(
    admin: Caller, book: list[dict[str, Any]], query: str, expected: list[int]
) -> None:
    if "risk" in query:
        assert [loan["risk_score"] for loan in book] == ["0.25", "0.25", "0.38"]
    answer = admin.get(f"/loans/?{query}")
    assert answer.json == [book[number] for number in expected]


def test_a_customer_filter_takes_either_name(admin: Caller, book: list[dict[str, Any]]) -> None:
    by_id = admin.get(f"/loans/?customer={book[0]['customer_id']}").json
    assert by_id == admin.get("/loans/?customer=other").json == book[:2]


def test_the_history_begins_with_the_application(admin: Caller, officer: Caller) -> None:
    loan = officer.make_loan()
    admin.post(f"/loans/{loan['id']}/reject", {"reason": "no income"})
    history = officer.get(f"/loans/{loan['id']}/history").json
    assert [
        {name: event[name] for name in ("from", "to", "by", "reason")} for event in history
    ] == [
        {"from": None, "to": "PENDING", "by": officer.id, "reason": None},
        {"from": "PENDING", "to": "REJECTED", "by": admin.id, "reason": "no income"},
    ]
    assert history[0]["at"] < history[1]["at"]
