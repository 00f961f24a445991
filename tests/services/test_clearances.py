"""Flags that were answered, and who may know of them."""

from uuid import UUID

from app.services import clearances
from app.services.actor import Actor
from tests.factories import Caller, Lender


def answers(caller: Caller, loan: str) -> list[str]:
    """Why flags of the loan were cleared, as the caller may know."""
    assert caller.user is not None
    with caller.app.app_context():
        actor = Actor(id=caller.user.id, role=caller.user.role)
        return [flag.answer for flag in clearances.of_loan(actor, UUID(loan))]


def test_the_last_answered_comes_first(admin: Caller) -> None:
    loan = admin.make_loan()["id"]
    for number in range(3):
        assert admin.post(f"/loans/{loan}/flag", {"reason": "odd"}).status_code == 200
        reason = {"reason": f"answer {number}"}
        assert admin.post(f"/loans/{loan}/clear-flags", reason).status_code == 200
    assert admin.post(f"/loans/{loan}/flag", {"reason": "odd again"}).status_code == 200
    assert answers(admin, loan) == ["answer 2", "answer 1", "answer 0"]


def test_a_stranger_knows_of_none(admin: Caller, applicant: Caller, lender: Lender) -> None:
    loan = applicant.make_loan()["id"]
    assert admin.post(f"/loans/{loan}/flag", {"reason": "odd"}).status_code == 200
    assert admin.post(f"/loans/{loan}/clear-flags", {"reason": "fine"}).status_code == 200
    assert answers(applicant, loan) == ["fine"]
    assert answers(lender.user(applicant.user.role), loan) == []
