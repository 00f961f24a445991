"""Loans: taking applications, editing them, finding them, explaining their risk."""

from collections.abc import Mapping, Sequence
from typing import Any

from uuid_utils.compat import uuid7

from app.db import append, transaction
from app.errors import CustomerInactive, LoanNotEditable
from app.models import Customer, CustomerStatus, Loan, LoanEvent, LoanStatus
from app.models.base import bare, now
from app.models.loan import EDITABLE
from app.rules import risk
from app.services import audit, credit, decisions, fraud
from app.services.access import lock_customer, lock_loan_and_customer
from app.services.actor import Actor
from app.services.asked import among
from app.services.pages import Page
from app.services.records import LOANS, of_customer, own, read_history

SCORED_BY = frozenset(("amount", "term_months", "income", "expenses"))


def apply(actor: Actor, *, customer: str, **values: Any) -> Loan:
    """Take an application: scored, and judged by credit limit and fraud rules under lock.

    It is flagged where a rule finds something; where none does, the settings may approve it at
    once. `customer` is an id or an external id. Raises CustomerNotFound, CustomerInactive,
    CreditLimitExceeded, ExternalIdTaken.
    """
    with transaction():
        borrower = lock_customer(actor, customer)
        if borrower.status != CustomerStatus.ACTIVE:
            raise CustomerInactive
        loan = _application(actor, borrower, values)
        known = fraud.inquire(borrower, loan)
        credit.must_fit_the_limit(borrower, loan, known.debt if known else None)
        append(loan)
        append(bare(LoanEvent, loan_id=loan.id, to_status=LoanStatus.PENDING, by=actor.id))
        audit.record(actor, "loan.applied", loan)
        fraud.examine(actor, loan, known)
        decisions.approve_unseen(actor, loan)
    return loan


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    sort: str = "newest",
    **filters: Any,
) -> Page[Any]:
    """Page through the visible loans that meet the filters of `asked`, "newest" or "oldest" first.

    Raises Invalid for a cursor of another list.
    """
    return LOANS.page(
        asked(actor, **filters),
        page=page,
        page_size=page_size,
        cursor=cursor,
        oldest_come_first=sort == "oldest",
    )


def asked(
    actor: Actor,
    *,
    status: Sequence[LoanStatus] = (),
    customer: str | None = None,
    flagged: bool | None = None,
    **bounds: Any,
) -> Mapping[str, Any]:
    """What filters ask LOANS for, of the visible ones.

    `bounds`, all inclusive: `min_amount`, `max_amount`, `min_risk`, `max_risk`, and the days
    `first` and `last`.
    """
    question: dict[str, Any] = {**own(actor), **bounds}
    if status:
        question |= among(status)
    if customer is not None:
        question |= of_customer(customer)
    if flagged is not None:
        question["flagged" if flagged else "unflagged"] = True
    return question


def history(actor: Actor, ref: str) -> Sequence[Any]:
    """Every change of the loan's status, oldest first. Raises LoanNotFound."""
    return read_history(actor, ref)


def explain_risk(loan: Any) -> risk.Assessment:
    """The loan's score with each factor's input, weight and contribution."""
    return _assess(loan)


def change(
    actor: Actor,
    ref: str,
    *,
    status: LoanStatus | None = None,
    reason: str | None = None,
    **values: Any,
) -> Loan:
    """Edit an open application, judge it anew, and decide it when an admin names a `status`.

    Raises LoanNotEditable, CreditLimitExceeded, and whatever the decision raises.
    """
    if status is not None:
        actor.must_be_admin()
    with transaction():
        loan, customer = lock_loan_and_customer(actor, ref)
        before = loan.status
        if values or status is None:
            _edit(actor, customer, loan, values)
        if status is not None and status == loan.status != before:
            decisions.flag_beside(loan, reason)  # the edit itself has just flagged it
        elif status is not None:
            decisions.take(actor, customer, loan, status, reason)
    return loan


def _application(actor: Actor, customer: Customer, values: dict[str, Any]) -> Loan:
    """A loan yet to be inserted, scored; no session comes to know it."""
    applied_at = now()
    return bare(
        Loan,
        id=uuid7(),
        customer_id=customer.id,
        customer=customer,
        status=LoanStatus.PENDING,
        risk_score=risk.score(**{name: values[name] for name in SCORED_BY}),
        first_income=None,
        created_by=actor.id,
        created_at=applied_at,
        updated_at=applied_at,
        **values,
    )


def _edit(actor: Actor, customer: Customer, loan: Loan, values: dict[str, Any]) -> None:
    if loan.status not in EDITABLE:
        raise LoanNotEditable(f"An application that is {loan.status} can no longer be edited.")
    changed = loan.edit(values)
    if SCORED_BY.intersection(changed):
        loan.risk_score = risk.score(**_scored(loan))
    if "amount" in changed:
        credit.must_fit_the_limit(customer, loan)
    if changed:
        audit.record(actor, "loan.edited", loan, fields=changed)
        fraud.reexamine(actor, customer, loan, changed)


def _assess(loan: Any) -> risk.Assessment:
    return risk.assess(**_scored(loan))


def _scored(loan: Any) -> dict[str, Any]:
    return {name: getattr(loan, name) for name in SCORED_BY}
