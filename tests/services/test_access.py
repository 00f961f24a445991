"""What exists for whom, and what a lock reads."""

from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import update

from app.db import db, transaction
from app.errors import CustomerNotFound
from app.models import Loan, Role
from app.services.access import find_customer, find_loan
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
