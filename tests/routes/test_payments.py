"""Payments over HTTP: what they take off each debt, and how they are undone."""

from typing import Any

import pytest
from flask import Flask

from tests.attacks import fingerprint, query
from tests.credentials import execute, refusal
from tests.factories import Caller, created

SHAPE = [
    "id",
    "external_id",
    "customer_id",
    "customer_external_id",
    "total_amount",
    "status",
    "source",
    "paid_at",
    "reverses",
    "reversed_by",
    "reason",
    "created_by",
    "created_at",
    "payment_details",
]
WHY = {"reason": "the cheque bounced"}
FULL = "999999999999.99"
NOT_REVERSIBLE = (409, "payment-not-reversible")


def state(caller: Caller, *loans: dict[str, Any]) -> list[tuple[str, str]]:
    """Status and outstanding of each loan."""
    shown = [caller.get(f"/loans/{loan['id']}").json for loan in loans]
    return [(loan["status"], loan["outstanding"]) for loan in shown]


def steps(caller: Caller, loan: dict[str, Any]) -> list[str]:
    return [event["to"] for event in caller.get(f"/loans/{loan['id']}/history").json]


def shares(payment: dict[str, Any]) -> list[tuple[str, str, str]]:
    details = payment["payment_details"]
    return [(each["loan_id"], each["amount"], each["outstanding_after"]) for each in details]


def balance(caller: Caller, customer_id: str) -> str:
    return str(caller.get(f"/customers/{customer_id}/account").json["balance"])


def reverse(caller: Caller, payment: dict[str, Any]) -> dict[str, Any]:
    return created(caller.post(f"/payments/{payment['id']}/reverse", WHY))


@pytest.fixture
def debt(admin: Caller) -> dict[str, Any]:
    """A loan of 100.00, which its customer has on account and owes."""
    return admin.make_debt(amount="100.00")


@pytest.fixture
def debts(admin: Caller, customer: dict[str, Any]) -> list[dict[str, Any]]:
    """Loans of 10.00, 20.00 and 40.00 of one customer, oldest first; made in another order."""
    loans = {amount: admin.make_loan(customer, amount=amount) for amount in ("40", "10", "20")}
    for amount in ("10", "20", "40"):
        assert admin.post(f"/loans/{loans[amount]['id']}/activate").status_code == 200
    return [loans[amount] for amount in ("10", "20", "40")]


def test_a_payment_is_answered_as_it_was_stored(
    officer: Caller, admin: Caller, debt: dict[str, Any]
) -> None:
    given = {"customer_id": debt["customer_id"], "total_amount": 25.5, "external_id": "bank-1"}
    answer = officer.post("/payments/", given)
    payment = created(answer)
    assert list(payment) == SHAPE
    assert (payment["status"], payment["source"]) == ("COMPLETED", "external")
    assert (payment["total_amount"], payment["customer_id"]) == ("25.50", debt["customer_id"])
    assert (payment["created_by"], payment["paid_at"]) == (officer.id, payment["created_at"])
    assert payment["payment_details"] == [
        {
            "loan_id": debt["id"],
            "loan_external_id": None,
            "amount": "25.50",
            "outstanding_after": "74.50",
        }
    ]
    assert answer.headers["Location"] == f"/payments/{payment['id']}"
    for ref in (payment["id"], "bank-1"):
        assert officer.get(f"/payments/{ref}").json == payment
    assert officer.get("/payments/").json == [payment]


def test_a_payment_names_customer_and_loans_by_their_external_ids_too(admin: Caller) -> None:
    customer = admin.make_customer(external_id="crm-1")
    admin.make_debt(customer, external_id="contract-1")
    body = {"customer_external_id": "crm-1", "total_amount": "1.00"}
    payment = created(admin.post("/payments/", body))
    assert payment["customer_external_id"] == "crm-1"
    assert [each["loan_external_id"] for each in payment["payment_details"]] == ["contract-1"]


def test_the_oldest_debt_is_paid_first(admin: Caller, debts: list[dict[str, Any]]) -> None:
    oldest, middle, youngest = debts
    payment = admin.pay(oldest["customer_id"], "25.01")
    assert shares(payment) == [(oldest["id"], "10.00", "0.00"), (middle["id"], "15.01", "4.99")]
    assert state(admin, *debts) == [("PAID", "0.00"), ("ACTIVE", "4.99"), ("ACTIVE", "40.00")]
    assert shares(admin.pay(oldest["customer_id"], "5.00")) == [
        (middle["id"], "4.99", "0.00"),
        (youngest["id"], "0.01", "39.99"),
    ]


def test_of_two_debts_of_one_instant_the_smaller_id_is_paid_first(
    app: Flask, admin: Caller, debts: list[dict[str, Any]]
) -> None:
    execute(app, "UPDATE loans SET taken_at = now()")
    payment = admin.pay(debts[0]["customer_id"], "0.01")
    assert shares(payment)[0][0] == min(loan["id"] for loan in debts)


def test_a_debt_that_reaches_nothing_is_paid_and_says_by_whom(
    officer: Caller, debt: dict[str, Any]
) -> None:
    officer.pay(debt["customer_id"], "99.99")
    assert state(officer, debt) == [("ACTIVE", "0.01")]
    officer.pay(debt["customer_id"], "0.01")
    assert state(officer, debt) == [("PAID", "0.00")]
    last = officer.get(f"/loans/{debt['id']}/history").json[-1]
    assert (last["from"], last["to"], last["by"]) == ("ACTIVE", "PAID", officer.id)


def test_the_whole_debt_can_be_paid_at_once(admin: Caller, debts: list[dict[str, Any]]) -> None:
    payment = admin.pay(debts[0]["customer_id"], "70.00")
    assert [amount for _, amount, _ in shares(payment)] == ["10.00", "20.00", "40.00"]
    assert state(admin, *debts) == [("PAID", "0.00")] * 3
    owed = admin.get(f"/customers/{debts[0]['customer_id']}/balance").json["total_debt"]
    assert owed == "0.00"


def test_the_report_and_the_loans_tag_follow_a_payment(admin: Caller, debt: dict[str, Any]) -> None:
    path = f"/loans/{debt['id']}"
    tag = admin.get(path).headers["ETag"]
    assert admin.get("/reports/portfolio").json["sum_outstanding"] == 100
    admin.pay(debt["customer_id"], "40.00")
    assert admin.get("/reports/portfolio").json["sum_outstanding"] == 60
    assert admin.get(path).headers["ETag"] != tag


@pytest.mark.parametrize("source", ["external", "account"])
def test_more_than_the_whole_debt_is_on_record_as_rejected_and_moves_nothing(
    app: Flask, admin: Caller, debts: list[dict[str, Any]], source: str
) -> None:
    before = fingerprint(app)
    payment = admin.pay(debts[0]["customer_id"], "70.01", source=source)
    assert (payment["status"], payment["paid_at"]) == ("REJECTED", None)
    assert (payment["total_amount"], payment["payment_details"]) == ("70.01", [])
    assert admin.get(f"/payments/{payment['id']}").json == payment
    after = fingerprint(app)
    assert {name for name in before if before[name] != after[name]} == {"payments", "audit_events"}


def test_who_owes_nothing_pays_nothing(admin: Caller, customer: dict[str, Any]) -> None:
    assert admin.pay(customer["id"], "0.01")["status"] == "REJECTED"


@pytest.mark.parametrize("deeds", [(), ("flag",), ("approve",), ("reject",), ("withdraw",)])
def test_a_loan_that_was_never_disbursed_is_not_paid(
    admin: Caller, debt: dict[str, Any], deeds: tuple[str, ...]
) -> None:
    path = f"/loans/{admin.make_loan({'id': debt['customer_id']})['id']}"
    for deed in deeds:
        assert admin.post(f"{path}/{deed}", WHY).status_code == 200
    before = admin.get(path)
    assert admin.pay(debt["customer_id"], "100.01")["status"] == "REJECTED"
    assert shares(admin.pay(debt["customer_id"], "100.00")) == [(debt["id"], "100.00", "0.00")]
    after = admin.get(path)
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_another_customers_debt_is_not_paid(admin: Caller, debt: dict[str, Any]) -> None:
    other = admin.make_debt(amount="50.00")
    admin.pay(debt["customer_id"], "100.00")
    assert state(admin, debt, other) == [("PAID", "0.00"), ("ACTIVE", "50.00")]


def test_an_inactive_customer_still_pays(admin: Caller, debt: dict[str, Any]) -> None:
    admin.patch(f"/customers/{debt['customer_id']}", {"status": "INACTIVE"})
    assert admin.pay(debt["customer_id"], "100.00")["status"] == "COMPLETED"


def test_a_payment_can_be_taken_from_the_account(admin: Caller, debt: dict[str, Any]) -> None:
    payment = admin.pay(debt["customer_id"], "30.00", source="account")
    assert (payment["status"], payment["source"]) == ("COMPLETED", "account")
    assert state(admin, debt) == [("ACTIVE", "70.00")]
    assert balance(admin, debt["customer_id"]) == "70.00"
    newest, _ = admin.get(f"/customers/{debt['customer_id']}/account/entries").json
    assert (newest["kind"], newest["direction"], newest["amount"]) == ("payment", "debit", "30.00")
    assert (newest["payment_id"], newest["balance_after"]) == (payment["id"], "70.00")


def test_an_external_payment_leaves_the_account_alone(admin: Caller, debt: dict[str, Any]) -> None:
    admin.pay(debt["customer_id"], "30.00")
    assert balance(admin, debt["customer_id"]) == "100.00"


def test_an_account_pays_what_it_holds_and_not_a_cent_more(
    app: Flask, admin: Caller, debt: dict[str, Any]
) -> None:
    customer = debt["customer_id"]
    admin.post(f"/customers/{customer}/account/withdrawals", {"amount": "70.00"})
    before = fingerprint(app)
    body = {"customer_id": customer, "total_amount": "30.01", "source": "account"}
    assert refusal(admin.post("/payments/", body)) == (422, "insufficient-funds")
    assert fingerprint(app) == before
    assert admin.pay(customer, "30.00", source="account")["status"] == "COMPLETED"
    assert balance(admin, customer) == "0.00"


def test_who_has_no_account_pays_nothing_from_it(admin: Caller, app: Flask) -> None:
    customer = admin.make_customer()
    assert admin.pay(customer["id"], "1.00", source="account")["status"] == "REJECTED"
    assert execute(app, "SELECT count(*) FROM accounts") == (0,)


@pytest.mark.parametrize("status", ["COMPLETED", "REJECTED"])
def test_an_external_id_is_used_once(
    app: Flask, admin: Caller, debt: dict[str, Any], status: str
) -> None:
    amount = "1.00" if status == "COMPLETED" else "1000.00"
    first = admin.pay(debt["customer_id"], amount, external_id="bank-1")
    assert first["status"] == status
    before = fingerprint(app)
    body = {"customer_id": debt["customer_id"], "total_amount": "1.00", "external_id": "bank-1"}
    assert refusal(admin.post("/payments/", body)) == (409, "external-id-taken")
    assert fingerprint(app) == before


@pytest.mark.parametrize(
    "customer",
    [
        {},
        {"customer_id": "01890000-0000-7000-8000-000000000000", "customer_external_id": "crm"},
    ],
    ids=["nobody", "twice"],
)
def test_a_payment_names_one_customer(admin: Caller, customer: dict[str, str]) -> None:
    answer = admin.post("/payments/", {**customer, "total_amount": "1.00"})
    assert refusal(answer) == (422, "invalid")
    assert list(answer.json["errors"]) == ["customer_id"]


def test_a_payment_of_nobody_is_not_found(admin: Caller) -> None:
    body = {"customer_external_id": "nobody", "total_amount": "1.00"}
    assert refusal(admin.post("/payments/", body)) == (404, "customer-not-found")


def test_applicants_read_the_payments_of_their_own_customers_and_pay_nothing(
    app: Flask, admin: Caller, applicant: Caller, stranger: Caller
) -> None:
    loans = [caller.make_loan() for caller in (applicant, stranger)]
    for loan in loans:
        admin.post(f"/loans/{loan['id']}/activate")
    mine, anothers = (admin.pay(loan["customer_id"], "1.00") for loan in loans)
    assert applicant.get("/payments/").json == [mine]
    assert applicant.get(f"/payments/{mine['id']}").json == mine
    assert refusal(applicant.get(f"/payments/{anothers['id']}")) == (404, "payment-not-found")
    assert (
        applicant.get("/payments/", query_string=query(customer=anothers["customer_id"])).json == []
    )
    before = fingerprint(app)
    body = {"customer_id": mine["customer_id"], "total_amount": "1.00"}
    assert refusal(applicant.post("/payments/", body)) == (403, "staff-only")
    assert refusal(applicant.post(f"/payments/{mine['id']}/reverse", WHY)) == (403, "admin-only")
    assert fingerprint(app) == before


def test_payments_are_listed_newest_first_and_filtered(admin: Caller) -> None:
    ada, bob = (admin.make_customer(external_id=name) for name in ("ada", "bob"))
    for customer in (ada, bob):
        admin.make_debt(customer, amount="100.00")
    completed = admin.pay(ada["id"], "1.00")
    rejected = admin.pay(ada["id"], "1000.00")
    other = admin.pay(bob["id"], "1.00")
    reversal = reverse(admin, completed)
    everything = [reversal["id"], other["id"], rejected["id"], completed["id"]]

    def found(**filters: Any) -> list[str]:
        return [each["id"] for each in admin.get("/payments/", query_string=query(**filters)).json]

    assert found() == everything
    assert found(customer="bob") == found(customer=bob["id"]) == [other["id"]]
    assert found(status="COMPLETED") == [other["id"], completed["id"]]
    assert found(status="REJECTED") == [rejected["id"]]
    assert found(status="REVERSED", customer="ada") == [reversal["id"]]
    assert found(page=2, page_size=3) == [completed["id"]]
    assert found(customer="nobody") == []


def test_a_reversal_restores_loans_and_customer_exactly(
    admin: Caller, debts: list[dict[str, Any]]
) -> None:
    customer = debts[0]["customer_id"]
    before = state(admin, *debts), admin.get(f"/customers/{customer}/balance").json
    payment = admin.pay(customer, "35.00")
    undone = reverse(admin, payment)
    assert (undone["status"], undone["reverses"]) == ("REVERSED", payment["id"])
    assert (undone["total_amount"], undone["reason"]) == ("35.00", WHY["reason"])
    assert shares(undone) == [
        (debts[0]["id"], "10.00", "10.00"),
        (debts[1]["id"], "20.00", "20.00"),
        (debts[2]["id"], "5.00", "40.00"),
    ]
    assert (state(admin, *debts), admin.get(f"/customers/{customer}/balance").json) == before


def test_a_reversal_stands_beside_what_it_undid(admin: Caller, debt: dict[str, Any]) -> None:
    payment = admin.pay(debt["customer_id"], "1.00", external_id="bank-1")
    answer = admin.post("/payments/bank-1/reverse", WHY)
    undone = created(answer)
    assert answer.headers["Location"] == f"/payments/{undone['id']}"
    assert (undone["external_id"], undone["source"]) == (None, "external")
    assert admin.get(f"/payments/{undone['id']}").json == undone
    assert admin.get("/payments/bank-1").json == {**payment, "reversed_by": undone["id"]}
    assert payment["reversed_by"] is None


def test_a_loan_that_the_payment_had_closed_reopens_and_can_be_paid_again(
    admin: Caller, debt: dict[str, Any]
) -> None:
    reverse(admin, admin.pay(debt["customer_id"], "100.00"))
    assert state(admin, debt) == [("ACTIVE", "100.00")]
    last = admin.get(f"/loans/{debt['id']}/history").json[-1]
    assert (last["from"], last["to"]) == ("PAID", "ACTIVE")
    assert (last["by"], last["reason"]) == (admin.id, WHY["reason"])
    admin.pay(debt["customer_id"], "100.00")
    assert steps(admin, debt)[2:] == ["ACTIVE", "PAID", "ACTIVE", "PAID"]


def test_a_loan_that_the_payment_had_not_closed_has_no_new_history(
    admin: Caller, debt: dict[str, Any]
) -> None:
    reverse(admin, admin.pay(debt["customer_id"], "1.00"))
    assert steps(admin, debt) == ["PENDING", "APPROVED", "ACTIVE"]


def test_what_was_paid_later_stays_when_a_payment_is_reversed(
    admin: Caller, debts: list[dict[str, Any]]
) -> None:
    customer = debts[0]["customer_id"]
    first, later = admin.pay(customer, "15.00"), admin.pay(customer, "55.00")
    assert state(admin, *debts) == [("PAID", "0.00")] * 3
    undone = reverse(admin, first)
    assert [amount for _, amount, _ in shares(undone)] == ["10.00", "5.00"]
    assert state(admin, *debts) == [("ACTIVE", "10.00"), ("ACTIVE", "5.00"), ("PAID", "0.00")]
    assert admin.get(f"/payments/{later['id']}").json == later
    reverse(admin, later)
    assert state(admin, *debts) == [("ACTIVE", "10.00"), ("ACTIVE", "20.00"), ("ACTIVE", "40.00")]


def test_what_came_from_the_account_goes_back_to_it(admin: Caller, debt: dict[str, Any]) -> None:
    customer = debt["customer_id"]
    payment = admin.pay(customer, "100.00", source="account")
    admin.post(f"/customers/{customer}/account/deposits", {"amount": "7.00"})
    undone = reverse(admin, payment)
    assert undone["source"] == "account"
    assert state(admin, debt) == [("ACTIVE", "100.00")]
    assert balance(admin, customer) == "107.00"
    newest = admin.get(f"/customers/{customer}/account/entries").json[0]
    assert (newest["kind"], newest["direction"], newest["amount"]) == (
        "reversal",
        "credit",
        "100.00",
    )
    assert (newest["payment_id"], newest["note"]) == (undone["id"], WHY["reason"])


def test_an_account_too_full_to_take_it_back_is_left_as_it_is(
    app: Flask, admin: Caller, debt: dict[str, Any]
) -> None:
    payment = admin.pay(debt["customer_id"], "100.00", source="account")
    deposits = f"/customers/{debt['customer_id']}/account/deposits"
    created(admin.post(deposits, {"amount": FULL}))
    before = fingerprint(app)
    answer = admin.post(f"/payments/{payment['id']}/reverse", WHY)
    assert refusal(answer) == (422, "account-full")
    assert fingerprint(app) == before


def test_a_payment_is_not_reversed_twice(app: Flask, admin: Caller, debt: dict[str, Any]) -> None:
    payment = admin.pay(debt["customer_id"], "1.00")
    reverse(admin, payment)
    before = fingerprint(app)
    assert refusal(admin.post(f"/payments/{payment['id']}/reverse", WHY)) == NOT_REVERSIBLE
    assert fingerprint(app) == before


def test_a_paid_loan_is_not_disbursed_again(admin: Caller, debt: dict[str, Any]) -> None:
    admin.pay(debt["customer_id"], "100.00")
    refused = admin.post(f"/loans/{debt['id']}/activate")
    assert refusal(refused) == (409, "illegal-transition")
    assert state(admin, debt) == [("PAID", "0.00")]


def test_a_payments_tag_tells_whether_it_was_undone(admin: Caller, debt: dict[str, Any]) -> None:
    payment = admin.pay(debt["customer_id"], "10.00")
    path = f"/payments/{payment['id']}"
    tag = admin.get(path).headers["ETag"]
    assert admin.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert admin.post(f"{path}/reverse", WHY, headers={"If-Match": '"stale"'}).status_code == 412
    assert admin.post(f"{path}/reverse", WHY, headers={"If-Match": tag}).status_code == 201
    assert admin.get(path, headers={"If-None-Match": tag}).status_code == 200
    assert admin.post(f"{path}/reverse", WHY, headers={"If-Match": tag}).status_code == 412


def test_what_moved_nothing_and_what_undoes_another_are_not_reversed(
    app: Flask, admin: Caller, debt: dict[str, Any]
) -> None:
    rejected = admin.pay(debt["customer_id"], "1000.00")
    undone = reverse(admin, admin.pay(debt["customer_id"], "1.00"))
    before = fingerprint(app)
    for payment in (rejected, undone):
        assert refusal(admin.post(f"/payments/{payment['id']}/reverse", WHY)) == NOT_REVERSIBLE
    assert fingerprint(app) == before


def test_only_an_admin_reverses_and_says_why(
    app: Flask, admin: Caller, officer: Caller, debt: dict[str, Any]
) -> None:
    path = f"/payments/{admin.pay(debt['customer_id'], '1.00')['id']}/reverse"
    before = fingerprint(app)
    assert refusal(officer.post(path, WHY)) == (403, "admin-only")
    assert refusal(admin.post(path, {})) == (422, "invalid")
    assert refusal(admin.post("/payments/nobody/reverse", WHY)) == (404, "payment-not-found")
    assert fingerprint(app) == before


def test_payments_and_reversals_are_in_the_audit_trail(admin: Caller, debt: dict[str, Any]) -> None:
    payment = admin.pay(debt["customer_id"], "1.00")
    rejected = admin.pay(debt["customer_id"], "1000.00")
    reverse(admin, payment)
    trail = admin.get("/reports/audit").json
    told = [(event["action"], event["subject_id"]) for event in trail]
    assert told[:3] == [
        ("payment.reversed", payment["id"]),
        ("payment.rejected", rejected["id"]),
        ("payment.completed", payment["id"]),
    ]
