"""What exists for whom, and what a lock reads."""

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from app.db import db, transaction
from app.errors import CustomerNotFound, PaymentNotFound
from app.models import Loan, Role
from app.services.access import find_customer, find_loan, find_payment
from app.services.actor import Actor
from tests.factories import Caller


def test_a_lock_reads_the_loan_anew(app: Flask, admin: Caller) -> None:
    loan = admin.make_loan()
    actor = Actor(id=UUID(admin.id), role=Role.ADMIN)
    with app.app_context(), transaction():
        copy = find_loan(actor, loan["id"])
        with db.engine.connect() as elsewhere:
            elsewhere.execute(update(Loan).values(purpose="changed meanwhile"))
        assert copy.purpose == "a delivery van"
        locked = find_loan(actor, loan["id"], lock=True)
        assert (locked is copy, locked.purpose) == (True, "changed meanwhile")


@pytest.mark.parametrize("ref", ["\0", "a\0b", "", " ", "é" * 200, "'; DROP TABLE loans; --"])
def test_any_text_may_be_asked_for(app: Flask, admin: Caller, ref: str) -> None:
    actor = Actor(id=UUID(admin.id), role=Role.ADMIN)
    with app.app_context(), pytest.raises(CustomerNotFound):
        find_customer(actor, ref)


def test_an_applicant_finds_the_payments_of_their_own_customers_alone(
    app: Flask, admin: Caller, applicant: Caller, stranger: Caller
) -> None:
    loan = applicant.make_loan()
    admin.post(f"/loans/{loan['id']}/activate")
    payment = admin.pay(str(loan["customer_id"]), "1.00")
    own, another = (Actor(id=UUID(each.id), role=Role.APPLICANT) for each in (applicant, stranger))
    with app.app_context():
        assert str(find_payment(own, payment["id"]).id) == payment["id"]
        with pytest.raises(PaymentNotFound):
            find_payment(another, payment["id"])
