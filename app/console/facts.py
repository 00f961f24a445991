"""What is to be known of a loan before it is decided: its risk, and what its customer owes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.services import credit, loans, records
from app.services.actor import Actor

OTHERS = 10


@dataclass(frozen=True, slots=True)
class Facts:
    """`others` are the customer's newest loans beside this one, of `other_loans` in all."""

    risk: Any
    customer: Any
    balance: Any
    others: Sequence[Any]
    other_loans: int


def facts_of(actor: Actor, loan: Any) -> Facts:
    """Raises CustomerNotFound for a loan whose customer the actor may not see."""
    ref = str(loan.customer_id)
    listed = loans.search(actor, customer=ref, page=1, page_size=OTHERS + 1)
    return Facts(
        risk=loans.explain_risk(loan),
        customer=records.find(actor, records.CUSTOMER, ref),
        balance=records.find(actor, credit.BALANCE, ref),
        others=[other for other in listed.items if other.id != loan.id][:OTHERS],
        other_loans=listed.total - 1,
    )
