"""What an edit of a loan or a customer changes of what the fraud rules found."""

from flask import Flask
from sqlalchemy import select

from app.db import db
from app.models import FlagClearance
from tests.factories import Caller
from tests.routes.test_fraud import MakeApp, patched, rules, story


def test_an_edit_is_judged_by_the_rules_that_read_it(admin: Caller) -> None:
    loan = admin.make_loan()
    flagged = patched(admin, loan, amount="5000000.01")
    assert (flagged["status"], rules(flagged)) == ("FLAGGED", ["amount"])
    assert flagged == admin.get(f"/loans/{loan['id']}").json


def test_what_an_edit_makes_good_is_cleared_and_kept(admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    mended = patched(admin, loan, amount="5000000.00")
    assert (mended["status"], mended["fraud_flags"]) == ("PENDING", [])
    again = patched(admin, loan, amount="6000000.00")
    assert (again["status"], rules(again)) == ("FLAGGED", ["amount"])
    assert story(admin, loan) == [
        ("PENDING", admin.id),
        ("FLAGGED", "policy"),
        ("PENDING", "policy"),
        ("FLAGGED", "policy"),
    ]


def test_a_finding_whose_numbers_changed_is_told_anew(admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    changed = patched(admin, loan, amount="7000000.00")
    assert (changed["status"], rules(changed)) == ("FLAGGED", ["amount"])
    assert changed["fraud_flags"][0]["evidence"]["amount"] == "7000000.00"
    assert len(story(admin, loan)) == 2


def test_an_edit_leaves_what_it_does_not_touch(admin: Caller) -> None:
    customer = admin.make_customer()
    fourth = [admin.make_loan(customer) for _ in range(4)][-1]
    edited = patched(admin, fourth, amount="6000000.00", purpose="two vans")
    assert rules(edited) == ["velocity", "amount"]
    edited = patched(admin, fourth, amount="100.00")
    assert (edited["status"], rules(edited)) == ("FLAGGED", ["velocity"])


def test_what_a_person_flagged_only_a_person_clears(admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    admin.post(f"/loans/{loan['id']}/clear-flags", {"reason": "known"})
    admin.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    edited = patched(admin, loan, amount="100.00")
    assert (edited["status"], rules(edited)) == ("FLAGGED", ["manual"])


def test_what_a_person_cleared_stays_clear_until_it_is_edited(admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    admin.post(f"/loans/{loan['id']}/clear-flags", {"reason": "known"})
    assert patched(admin, loan, purpose="a ship")["status"] == "PENDING"
    assert patched(admin, loan, amount="6000000.01")["status"] == "FLAGGED"


def test_an_income_edited_upwards_is_held_against_the_application_before(admin: Caller) -> None:
    customer = admin.make_customer()
    admin.make_loan(customer, income="1000.00")
    second = admin.make_loan(customer, income="2000.00")
    admin.make_loan(customer, income="4000.00")
    assert rules(patched(admin, second, income="2000.01")) == ["income-jump"]
    assert rules(patched(admin, second, income="2000.00")) == []


def test_an_edit_is_held_against_what_was_first_declared(admin: Caller) -> None:
    """Not by one edit, nor by many small ones, nor by what is declared on it in between."""
    loan = admin.make_loan(income="40000.00")
    for income, found in (
        ("80000.00", []),
        ("160000.00", ["income-jump"]),
        ("160000.01", ["income-jump"]),
        ("50000.00", []),
    ):
        assert rules(patched(admin, loan, income=income)) == found


def test_an_edit_does_not_mend_what_a_later_application_is_held_against(admin: Caller) -> None:
    customer = admin.make_customer()
    earlier = admin.make_loan(customer, income="40000.00")
    later = admin.make_loan(customer, income="400000.00")
    patched(admin, earlier, income="400000.00")
    assert rules(patched(admin, later, income="400000.01")) == ["income-jump"]


def test_an_edit_that_flags_may_be_flagged_by_hand_at_once(admin: Caller) -> None:
    loan = admin.make_loan()
    edited = patched(admin, loan, amount="6000000.00", status="FLAGGED", reason="too much")
    assert (edited["status"], rules(edited)) == ("FLAGGED", ["amount", "manual"])
    refused = admin.patch(
        f"/loans/{admin.make_loan()['id']}", {"amount": "6000000.00", "status": "FLAGGED"}
    )
    assert (refused.status_code, refused.json["code"]) == (422, "reason-required")


def test_why_a_flag_was_cleared_by_an_edit_is_told_apart(app: Flask, admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    patched(admin, loan, amount="7000000.00")
    patched(admin, loan, amount="100.00")
    with app.app_context():
        cleared = db.session.scalars(select(FlagClearance).order_by(FlagClearance.at)).all()
    assert [(each.by, each.reason) for each in cleared] == [
        (None, "Found anew after an edit, with other numbers."),
        (None, "No longer found after an edit."),
    ]


def test_a_customers_new_address_is_judged_on_their_open_applications(admin: Caller) -> None:
    customer = admin.make_customer()
    first, second, decided = (admin.make_loan(customer) for _ in range(3))
    admin.post(f"/loans/{decided['id']}/approve")
    tag = admin.get(f"/loans/{first['id']}").headers["ETag"]
    patched(admin, customer, email="ada@mailinator.com")
    for loan in (first, second):
        shown = admin.get(f"/loans/{loan['id']}")
        assert (shown.json["status"], rules(shown.json)) == ("FLAGGED", ["disposable-email"])
        assert shown.headers["ETag"] != tag
    shown = admin.get(f"/loans/{decided['id']}").json
    assert (shown["status"], shown["fraud_flags"]) == ("APPROVED", [])
    patched(admin, customer, email="ada@calm.example")
    assert admin.get(f"/loans/{first['id']}").json["status"] == "PENDING"


def test_a_customers_new_phone_is_judged_on_their_open_applications(admin: Caller) -> None:
    admin.make_customer(phone="555 0100")
    customer = admin.make_customer(phone="555 0101")
    loan = admin.make_loan(customer)
    patched(admin, customer, phone="555-0100")
    assert rules(admin.get(f"/loans/{loan['id']}").json) == ["shared-phone"]
    patched(admin, customer, phone=None)
    assert admin.get(f"/loans/{loan['id']}").json["fraud_flags"] == []


def test_a_finding_beside_another_changes_the_entity_tag(admin: Caller) -> None:
    customer = admin.make_customer()
    loan = admin.make_loan(customer, amount="6000000.00")
    tag = admin.get(f"/loans/{loan['id']}").headers["ETag"]
    patched(admin, customer, email="ada@mailinator.com")
    shown = admin.get(f"/loans/{loan['id']}", headers={"If-None-Match": tag})
    assert shown.status_code == 200
    assert rules(shown.json) == ["amount", "disposable-email"]


def test_a_finding_cleared_beside_another_changes_the_entity_tag(admin: Caller) -> None:
    customer = admin.make_customer(email="ada@mailinator.com")
    loan = admin.make_loan(customer, amount="6000000.00")
    tag = admin.get(f"/loans/{loan['id']}").headers["ETag"]
    patched(admin, customer, email="ada@calm.example")
    shown = admin.get(f"/loans/{loan['id']}", headers={"If-None-Match": tag})
    assert (shown.status_code, rules(shown.json)) == (200, ["amount"])


def test_a_rule_that_is_off_leaves_its_old_findings(make_app: MakeApp, admin: Caller) -> None:
    loan = admin.make_loan(amount="6000000.00")
    caller = Caller(make_app(FRAUD_AMOUNT="off"), admin.headers, admin.user)
    assert rules(patched(caller, loan, amount="100.00")) == ["amount"]


def test_what_an_edit_changed_of_a_flagged_loan_stands_in_the_audit_trail(admin: Caller) -> None:
    customer = admin.make_customer(email="ada@mailinator.com")
    loan = admin.make_loan(customer, amount="6000000.00")
    patched(admin, customer, email="ada@calm.example")
    (event,) = admin.get(f"/reports/audit?subject_id={loan['id']}&action=loan.reexamined").json
    assert event["details"] == {"by": "policy", "found": [], "cleared": ["disposable-email"]}


def test_money_is_told_to_the_cent_however_it_was_sent(admin: Caller) -> None:
    (flag,) = admin.make_loan(amount="6000000.5")["fraud_flags"]
    assert flag["evidence"]["amount"] == "6000000.50"
    assert flag["reason"] == "The amount of 6000000.50 is above 5000000.00."
