"""Deciding applications, by action and by PATCH, under the same rules."""

from typing import Any

import pytest

from app.models.loan import TRANSITIONS, LoanStatus
from tests.factories import Caller

TOO_RISKY = {"amount": "50000", "term_months": 60}
DEEDS = {
    "approve": LoanStatus.APPROVED,
    "reject": LoanStatus.REJECTED,
    "flag": LoanStatus.FLAGGED,
    "clear-flags": LoanStatus.PENDING,
    "withdraw": LoanStatus.WITHDRAWN,
}
PATHS = {
    LoanStatus.PENDING: (),
    LoanStatus.FLAGGED: ("flag",),
    LoanStatus.APPROVED: ("approve",),
    LoanStatus.REJECTED: ("reject",),
    LoanStatus.WITHDRAWN: ("withdraw",),
    LoanStatus.ACTIVE: ("approve", "activate"),
}
WHY = {"reason": "for the record"}


def loan_in(admin: Caller, status: LoanStatus, **values: Any) -> str:
    """The path of a loan brought into that status."""
    path = f"/loans/{admin.make_loan(**values)['id']}"
    for deed in PATHS[status]:
        assert admin.post(f"{path}/{deed}", WHY).status_code == 200
    return path


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("status", PATHS)
def test_a_decision_follows_the_map_and_leaves_a_trace(
    admin: Caller, status: LoanStatus, deed: str
) -> None:
    path = loan_in(admin, status)
    before = admin.get(path).json
    answer = admin.post(f"{path}/{deed}", WHY)
    history = admin.get(f"{path}/history").json
    if DEEDS[deed] in TRANSITIONS[status]:
        assert (answer.status_code, answer.json["status"]) == (200, DEEDS[deed])
        assert (history[-1]["from"], history[-1]["to"]) == (status, DEEDS[deed])
        assert history[-1]["reason"] == WHY["reason"]
    else:
        assert (answer.status_code, answer.json["code"]) == (409, "illegal-transition")
        assert admin.get(path).json == before
        assert history[-1]["to"] == status


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED", "FLAGGED"])
def test_a_patch_of_the_status_is_the_same_decision(admin: Caller, status: str) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    decided = admin.patch(path, {"status": status, **WHY})
    assert (decided.status_code, decided.json["status"]) == (200, status)
    assert admin.get(f"{path}/history").json[-1]["to"] == status


@pytest.mark.parametrize("status", ["PENDING", "WITHDRAWN", "ACTIVE", "PAID", "NONSENSE"])
def test_a_patch_sets_no_other_status(admin: Caller, status: str) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    assert admin.patch(path, {"status": status}).status_code == 422


@pytest.mark.parametrize("deed", ["approve", "activate", "patch"])
def test_a_loan_of_three_quarters_is_too_risky_to_approve(admin: Caller, deed: str) -> None:
    path = loan_in(admin, LoanStatus.PENDING, **TOO_RISKY)
    if deed == "patch":
        refused = admin.patch(path, {"status": "APPROVED"})
    else:
        refused = admin.post(f"{path}/{deed}")
    assert (refused.status_code, refused.json["code"]) == (422, "loan-too-risky")
    assert refused.json["message"] == "Loan too risky to approve: risk_score 0.87 >= 0.75."
    assert admin.get(path).json["status"] == "PENDING"


def test_an_edit_and_a_decision_in_one_patch_are_judged_together(admin: Caller) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    refused = admin.patch(path, {**TOO_RISKY, "status": "APPROVED"})
    assert refused.json["code"] == "loan-too-risky"
    assert admin.get(path).json["amount"] == "25000.00"
    approved = admin.patch(path, {"amount": "100", "status": "APPROVED"}).json
    assert (approved["amount"], approved["status"]) == ("100.00", "APPROVED")


@pytest.mark.parametrize("send", ["approve", "patch"])
def test_approving_a_flagged_loan_needs_a_reason(admin: Caller, send: str) -> None:
    path = loan_in(admin, LoanStatus.FLAGGED)
    if send == "patch":
        refused = admin.patch(path, {"status": "APPROVED"})
    else:
        refused = admin.post(f"{path}/approve")
    assert (refused.status_code, refused.json["code"]) == (422, "reason-required")
    assert admin.post(f"{path}/approve", WHY).json["status"] == "APPROVED"


def test_flagging_needs_a_reason(admin: Caller) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    assert admin.post(f"{path}/flag", {}).status_code == 422
    assert admin.post(f"{path}/flag", {"reason": " "}).status_code == 422
    assert admin.patch(path, {"status": "FLAGGED"}).json["code"] == "reason-required"


def test_a_flag_shows_its_reason_until_it_is_cleared(admin: Caller) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    flagged = admin.post(f"{path}/flag", {"reason": "same phone as three others"}).json
    assert [(flag["rule"], flag["reason"]) for flag in flagged["fraud_flags"]] == [
        ("manual", "same phone as three others")
    ]
    assert admin.get(path).json == flagged
    cleared = admin.post(f"{path}/clear-flags", {"reason": "one family"}).json
    assert (cleared["status"], cleared["fraud_flags"]) == ("PENDING", [])
    assert admin.get(path).json == cleared
    again = admin.post(f"{path}/flag", {"reason": "once more"}).json
    assert [flag["reason"] for flag in again["fraud_flags"]] == ["once more"]


def test_every_flag_stays_on_record_with_its_answer(
    admin: Caller, officer: Caller, applicant: Caller
) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    assert admin.get(f"{path}/flags").json == []
    admin.post(f"{path}/flag", {"reason": "same phone as three others"})
    admin.post(f"{path}/clear-flags", {"reason": "one family"})
    admin.patch(path, {"amount": "6000000.00"})
    admin.patch(path, {"amount": "100.00"})
    admin.patch(path, {"amount": "7000000.00"})
    first, second, third = officer.get(f"{path}/flags").json
    assert (first["rule"], first["reason"]) == ("manual", "same phone as three others")
    assert (first["cleared"]["by"], first["cleared"]["reason"]) == (str(admin.id), "one family")
    assert first["created_at"] < first["cleared"]["at"] < second["created_at"]
    assert second["evidence"]["amount"] == "6000000.00"
    answer = ("policy", "No longer found after an edit.")
    assert (second["cleared"]["by"], second["cleared"]["reason"]) == answer
    assert (third["rule"], third["severity"], third["cleared"]) == ("amount", "high", None)
    assert applicant.get(f"{path}/flags").json["code"] == "loan-not-found"


def test_only_its_creator_or_an_admin_withdraws(
    admin: Caller, officer: Caller, applicant: Caller
) -> None:
    own = applicant.make_loan()
    assert officer.post(f"/loans/{own['id']}/withdraw").status_code == 403
    assert applicant.post(f"/loans/{own['id']}/withdraw").json["status"] == "WITHDRAWN"
    others = officer.make_loan()
    assert admin.post(f"/loans/{others['id']}/withdraw").json["status"] == "WITHDRAWN"


@pytest.mark.parametrize("status", [LoanStatus.PENDING, LoanStatus.APPROVED])
def test_activation_disburses_the_whole_amount(admin: Caller, status: LoanStatus) -> None:
    path = loan_in(admin, status)
    active = admin.post(f"{path}/activate").json
    assert (active["status"], active["outstanding"]) == ("ACTIVE", active["amount"])
    assert active["taken_at"] is not None
    steps = [event["to"] for event in admin.get(f"{path}/history").json]
    assert steps == ["PENDING", "APPROVED", "ACTIVE"]


@pytest.mark.parametrize(
    "status",
    [LoanStatus.FLAGGED, LoanStatus.REJECTED, LoanStatus.WITHDRAWN, LoanStatus.ACTIVE],
)
def test_nothing_else_is_activated(admin: Caller, status: LoanStatus) -> None:
    path = loan_in(admin, status)
    refused = admin.post(f"{path}/activate")
    assert (refused.status_code, refused.json["code"]) == (409, "illegal-transition")


@pytest.mark.parametrize("deed", ["approve", "activate"])
def test_a_limit_lowered_meanwhile_is_judged_again(admin: Caller, deed: str) -> None:
    loan = admin.make_loan()
    admin.patch(f"/customers/{loan['customer_id']}", {"credit_limit": "24999.99"})
    refused = admin.post(f"/loans/{loan['id']}/{deed}")
    assert (refused.status_code, refused.json["code"]) == (422, "credit-limit-exceeded")


def test_a_decision_on_a_version_that_is_gone_is_refused(admin: Caller) -> None:
    path = loan_in(admin, LoanStatus.PENDING)
    tag = admin.get(path).headers["ETag"]
    admin.patch(path, {"amount": "1"})
    for deed in ("approve", "reject", "flag", "withdraw", "activate"):
        refused = admin.post(f"{path}/{deed}", WHY, headers={"If-Match": tag})
        assert refused.status_code == 412
    current = admin.get(path).headers["ETag"]
    assert admin.post(f"{path}/approve", headers={"If-Match": current}).status_code == 200


@pytest.mark.parametrize("deed", ["approve", "reject", "flag", "clear-flags", "activate"])
def test_only_admins_decide(officer: Caller, applicant: Caller, deed: str) -> None:
    for caller in (officer, applicant):
        loan = caller.make_loan()
        assert caller.post(f"/loans/{loan['id']}/{deed}", WHY).status_code == 403
        assert caller.patch(f"/loans/{loan['id']}", {"status": "APPROVED"}).status_code == 403


def test_an_approved_loan_beyond_a_limit_that_was_lowered_is_not_disbursed(admin: Caller) -> None:
    customer = admin.make_customer()
    path = f"/loans/{admin.make_loan(customer, amount='30.00')['id']}"
    assert admin.post(f"{path}/approve").status_code == 200
    assert admin.patch(f"/customers/{customer['id']}", {"credit_limit": "25.00"}).status_code == 200
    refused = admin.post(f"{path}/activate")
    assert (refused.status_code, refused.json["code"]) == (422, "credit-limit-exceeded")
    assert admin.get(path).json["status"] == "APPROVED"
    assert admin.get(f"/customers/{customer['id']}/account").json["balance"] == "0.00"
