"""Fraud rules as an application meets them: what they find, on whom, and what follows."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from tests.factories import LOAN, Caller, Lender

MakeApp = Callable[..., Flask]
Record = dict[str, Any]


def rules(loan: Record) -> list[str]:
    return [flag["rule"] for flag in loan["fraud_flags"]]


def story(admin: Caller, loan: Record) -> list[tuple[str, str]]:
    """The loan's history: where it went, and by whom."""
    events = admin.get(f"/loans/{loan['id']}/history").json
    return [(event["to"], event["by"]) for event in events]


def patched(caller: Caller, record: Record, **values: Any) -> Record:
    path = f"/loans/{record['id']}" if "term_months" in record else f"/customers/{record['id']}"
    answer = caller.patch(path, values)
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


@pytest.fixture
def ring(admin: Caller) -> Callable[..., list[Record]]:
    """So many customers at one domain."""

    def make(count: int, domain: str) -> list[Record]:
        return [admin.make_customer(email=f"member{n}@{domain}") for n in range(count)]

    return make


def test_nothing_odd_is_pending_with_one_line_of_history(admin: Caller) -> None:
    loan = admin.make_loan()
    assert (loan["status"], loan["fraud_flags"]) == ("PENDING", [])
    assert story(admin, loan) == [("PENDING", admin.id)]


def test_the_fourth_application_in_a_day_is_flagged(admin: Caller) -> None:
    customer = admin.make_customer()
    third = [admin.make_loan(customer) for _ in range(3)][-1]
    fourth = admin.make_loan(customer)
    assert (third["status"], rules(third)) == ("PENDING", [])
    assert (fourth["status"], rules(fourth)) == ("FLAGGED", ["velocity"])
    assert fourth["fraud_flags"][0]["evidence"]["applications"] == 4


def test_who_withdraws_and_applies_again_has_still_applied(admin: Caller) -> None:
    customer = admin.make_customer()
    for _ in range(3):
        admin.post(f"/loans/{admin.make_loan(customer)['id']}/withdraw")
    assert rules(admin.make_loan(customer)) == ["velocity"]


def test_another_customers_applications_do_not_count(admin: Caller) -> None:
    for _ in range(4):
        assert rules(admin.make_loan(admin.make_customer())) == []


@pytest.mark.parametrize(("amount", "found"), [("5000000.00", []), ("5000000.01", ["amount"])])
def test_a_large_amount_is_flagged(admin: Caller, amount: str, found: list[str]) -> None:
    assert rules(admin.make_loan(amount=amount)) == found


def test_the_eleventh_customer_of_a_domain_is_flagged(
    admin: Caller, ring: Callable[..., list[Record]]
) -> None:
    tenth = ring(10, "ring.example")[-1]
    assert rules(admin.make_loan(tenth)) == []
    eleventh = admin.make_customer(email="one.more@ring.example")
    assert rules(admin.make_loan(eleventh)) == ["email-domain"]
    assert rules(admin.make_loan(tenth)) == ["email-domain"]


@pytest.mark.parametrize(
    "lookalike", ["notring.example", "ring.example.org", "sub.ring.example", "ringexample.example"]
)
def test_a_domain_that_looks_alike_is_another(
    admin: Caller, ring: Callable[..., list[Record]], lookalike: str
) -> None:
    ring(11, "ring.example")
    assert rules(admin.make_loan(admin.make_customer(email=f"ada@{lookalike}"))) == []


def test_the_customers_of_a_longer_domain_are_not_those_of_its_end(
    admin: Caller, ring: Callable[..., list[Record]]
) -> None:
    ring(6, "notring.example")
    ring(6, "sub.ring.example")
    assert rules(admin.make_loan(ring(1, "ring.example")[0])) == []


def test_one_domain_is_the_same_in_any_spelling(admin: Caller) -> None:
    spellings = ["münchen.example", "MÜNCHEN.example", "xn--mnchen-3ya.EXAMPLE"]
    for number in range(10):
        admin.make_customer(email=f"member{number}@{spellings[number % 3]}")
    eleventh = admin.make_customer(email="one.more@XN--MNCHEN-3YA.example")
    loan = admin.make_loan(eleventh)
    assert rules(loan) == ["email-domain"]
    assert loan["fraud_flags"][0]["evidence"]["domain"] == "münchen.example"


def test_a_deleted_customer_no_longer_counts(
    admin: Caller, ring: Callable[..., list[Record]]
) -> None:
    *_, last = members = ring(11, "ring.example")
    assert rules(admin.make_loan(last)) == ["email-domain"]
    assert admin.delete(f"/customers/{members[0]['id']}").status_code == 204
    assert rules(admin.make_loan(members[1])) == []


def test_a_public_provider_may_have_many_customers(
    admin: Caller, ring: Callable[..., list[Record]]
) -> None:
    assert rules(admin.make_loan(ring(11, "gmail.com")[-1])) == []


def test_the_settings_say_which_providers_are_public(make_app: MakeApp, admin: Caller) -> None:
    app = make_app(PUBLIC_EMAIL_PROVIDERS="Village.example")
    caller = Caller(app, admin.headers, admin.user)
    for domain, found in (("village.example", []), ("gmail.com", ["email-domain"])):
        members = [caller.make_customer(email=f"{n}@{domain}") for n in range(11)]
        assert rules(caller.make_loan(members[-1])) == found


def test_providers_are_compared_in_one_spelling(make_app: MakeApp, admin: Caller) -> None:
    app = make_app(PUBLIC_EMAIL_PROVIDERS="xn--mnchen-3ya.example")
    caller = Caller(app, admin.headers, admin.user)
    members = [caller.make_customer(email=f"{n}@münchen.example") for n in range(11)]
    assert rules(caller.make_loan(members[-1])) == []


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("mailinator.com", ["disposable-email"]),
        ("inbox.mailinator.com", ["disposable-email"]),
        ("MAILINATOR.com", ["disposable-email"]),
        ("my-mailinator.com", []),
        ("mailinator.com.example", []),
    ],
)
def test_a_throw_away_address_is_flagged(admin: Caller, domain: str, found: list[str]) -> None:
    customer = admin.make_customer(email=f"ada@{domain}")
    assert rules(admin.make_loan(customer)) == found


def test_a_phone_is_the_same_in_any_punctuation(admin: Caller) -> None:
    admin.make_customer(phone="+1 (555) 010-9999")
    alike = admin.make_customer(phone="1.555.010.9999")
    other = admin.make_customer(phone="15550109998")
    assert rules(admin.make_loan(alike)) == ["shared-phone"]
    assert rules(admin.make_loan(other)) == []


def test_customers_without_phone_or_mail_share_nothing(admin: Caller) -> None:
    for number in range(12):
        customer = admin.make_customer(external_id=f"bare-{number}", email=None)
        assert rules(admin.make_loan(customer)) == []


@pytest.mark.parametrize(("income", "found"), [("2000.00", []), ("2000.01", ["income-jump"])])
def test_more_than_twice_the_last_declared_income_is_flagged(
    admin: Caller, income: str, found: list[str]
) -> None:
    customer = admin.make_customer()
    admin.make_loan(customer, income="9000.00")
    admin.make_loan(customer, income="1000.00")
    assert rules(admin.make_loan(customer, income=income)) == found


def test_all_that_is_found_is_told_at_once_and_by_the_policy(admin: Caller) -> None:
    customer = admin.make_customer(email="ada@mailinator.com")
    loan = admin.make_loan(customer, amount="6000000.00")
    assert rules(loan) == ["amount", "disposable-email"]
    assert story(admin, loan) == [("PENDING", admin.id), ("FLAGGED", "policy")]
    event = admin.get(f"/loans/{loan['id']}/history").json[-1]
    assert event["reason"] == (
        "The amount of 6000000.00 is above 5000000.00. "
        "mailinator.com gives out throw-away e-mail addresses."
    )
    assert admin.get(f"/loans/{loan['id']}").json == loan


def test_six_findings_are_told_within_one_reason(admin: Caller) -> None:
    domain = f"{'a' * 60}.{'b' * 60}.{'c' * 60}.yopmail.com"
    phones = (f"555{' ' * n}0100" for n in range(11))
    ring = [admin.make_customer(email=f"{n}@{domain}", phone=next(phones)) for n in range(11)]
    for _ in range(3):
        admin.make_loan(ring[0], income="1.00")
    loan = admin.make_loan(ring[0], income="10.00", amount="6000000.00")
    assert rules(loan) == [
        "velocity",
        "amount",
        "email-domain",
        "disposable-email",
        "shared-phone",
        "income-jump",
    ]
    reason = admin.get(f"/loans/{loan['id']}/history").json[-1]["reason"]
    assert (len(reason) <= 500, reason.endswith(" …")) == (True, True)


def test_what_the_policy_did_stands_in_the_audit_trail(make_app: MakeApp, admin: Caller) -> None:
    flagged = admin.make_loan(amount="6000000.00")
    patched(admin, flagged, amount="100.00")
    caller = Caller(make_app(AUTO_APPROVE_BELOW="10000.00"), admin.headers, admin.user)
    approved = caller.make_loan(amount="100.00")
    for loan, deeds in (
        (
            flagged,
            {
                "loan.applied": None,
                "loan.flagged": "policy",
                "loan.edited": None,
                "loan.reexamined": "policy",
                "loan.flags_cleared": "policy",
            },
        ),
        (approved, {"loan.applied": None, "loan.approved": "policy"}),
    ):
        trail = admin.get(f"/reports/audit?subject_id={loan['id']}").json
        assert {event["action"]: event["details"].get("by") for event in trail} == deeds


def test_the_review_queue_shows_the_oldest_first_with_its_reasons(admin: Caller) -> None:
    odd = [admin.make_loan(amount="6000000.00") for _ in range(3)]
    admin.make_loan()
    queue = admin.get("/loans/?status=FLAGGED&sort=oldest").json
    assert [loan["id"] for loan in queue] == [loan["id"] for loan in odd]
    assert [rules(loan) for loan in queue] == [["amount"]] * 3
    newest = admin.get("/loans/?status=FLAGGED&sort=newest").json
    assert newest == queue[::-1] == admin.get("/loans/?status=FLAGGED").json


def test_a_rule_can_be_turned_off_and_tuned(make_app: MakeApp, admin: Caller) -> None:
    app = make_app(FRAUD_AMOUNT="off", FRAUD_VELOCITY="threshold=1,window=30m")
    caller = Caller(app, admin.headers, admin.user)
    customer = caller.make_customer()
    assert rules(caller.make_loan(customer, amount="6000000.00")) == []
    assert rules(caller.make_loan(customer)) == ["velocity"]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"amount": "10000.00"}, "APPROVED"),
        ({"amount": "10000.01"}, "PENDING"),
        ({"amount": "10000.00", "term_months": 60}, "PENDING"),
    ],
)
def test_small_sure_applications_are_approved_by_the_policy(
    make_app: MakeApp, admin: Caller, values: Record, status: str
) -> None:
    """10000 over 36 months scores 0.35, over 60 months 0.47."""
    app = make_app(AUTO_APPROVE_BELOW="10000.00", AUTO_APPROVE_RISK_BELOW="0.47")
    loan = Caller(app, admin.headers, admin.user).make_loan(**values)
    assert loan["status"] == status
    by_policy = [("APPROVED", "policy")] if status == "APPROVED" else []
    assert story(admin, loan) == [("PENDING", admin.id), *by_policy]


def test_what_is_flagged_is_not_approved_by_the_policy(make_app: MakeApp, admin: Caller) -> None:
    caller = Caller(make_app(AUTO_APPROVE_BELOW="10000.00"), admin.headers, admin.user)
    customer = caller.make_customer(email="ada@mailinator.com")
    assert caller.make_loan(customer, amount="100.00")["status"] == "FLAGGED"


def test_without_that_setting_a_person_decides(admin: Caller) -> None:
    assert admin.make_loan(amount="0.01", term_months=1)["status"] == "PENDING"


def test_of_applications_sent_at_once_only_three_go_unflagged(
    officer: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    customer = officer.make_customer()
    body = {**LOAN, "customer_id": customer["id"]}
    answers = in_parallel(*[lambda: officer.post("/loans/", body)] * 50)
    counts = [
        flag["evidence"]["applications"]
        for answer in answers
        for flag in answer.json["fraud_flags"]
    ]
    assert sorted(counts) == list(range(4, 51))
    assert sum(answer.json["status"] == "PENDING" for answer in answers) == 3


def test_an_applicant_learns_of_their_flag_but_not_of_others(
    lender: Lender, admin: Caller, applicant: Caller
) -> None:
    """What rings share is counted, never named."""
    other = admin.make_customer(phone="555 0100")
    mine = applicant.make_customer(phone="555-0100")
    loan = applicant.make_loan(mine)
    assert rules(loan) == ["shared-phone"]
    assert other["id"] not in str(loan)
    assert lender.user(Role.APPLICANT).get(f"/loans/{loan['id']}").status_code == 404
