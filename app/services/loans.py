"""Loans: taking applications, editing them, finding them, explaining their risk."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from app.db import db, transaction
from app.errors import CustomerInactive, LoanNotEditable
from app.models import Customer, CustomerStatus, Loan, LoanEvent, LoanStatus
from app.models.loan import EDITABLE
from app.rules import risk
from app.services import audit, credit, decisions, fraud
from app.services.access import (
    find_customer,
    find_loan,
    lock_loan_and_customer,
    named,
    read_loan,
    visible_loans,
    with_customer,
    with_flags,
)
from app.services.actor import Actor
from app.services.pages import Page, newest_first, oldest_first, page_of, within_days

SCORED_BY = frozenset(("amount", "term_months", "income", "expenses"))


def apply(actor: Actor, *, customer: str, **values: Any) -> Loan:
    """Take an application: scored, and judged by credit limit and fraud rules under lock.

    It is flagged where a rule finds something; where none does, the settings may approve it at
    once. `customer` is an id or an external id. Raises CustomerNotFound, CustomerInactive,
    CreditLimitExceeded, ExternalIdTaken.
    """
    with transaction():
        borrower = find_customer(actor, customer, lock=True)
        if borrower.status != CustomerStatus.ACTIVE:
            raise CustomerInactive
        loan = Loan(customer=borrower, status=LoanStatus.PENDING, created_by=actor.id, **values)
        loan.risk_score = _assess(loan).score
        loan.history.add(LoanEvent(to_status=LoanStatus.PENDING, by=actor.id))
        credit.must_fit_the_limit(borrower, loan)
        db.session.add(loan)
        audit.record(actor, "loan.applied", loan)
        fraud.examine(actor, borrower, loan)
        decisions.approve_unseen(actor, loan)
    return loan


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    status: Sequence[LoanStatus] = (),
    customer: str | None = None,
    min_amount: Decimal | None = None,
    max_amount: Decimal | None = None,
    min_risk: Decimal | None = None,
    max_risk: Decimal | None = None,
    first: date | None = None,
    last: date | None = None,
    flagged: bool | None = None,
    sort: str = "newest",
) -> Page[Loan]:
    """Page through the visible loans, "newest" or "oldest" first. Bounds are inclusive."""
    query = visible_loans(actor).where(*within_days(Loan.created_at, first, last))
    bounds = (
        (Loan.amount, min_amount, max_amount),
        (Loan.risk_score, min_risk, max_risk),
    )
    for column, least, most in bounds:
        if least is not None:
            query = query.where(column >= least)
        if most is not None:
            query = query.where(column <= most)
    if status:
        query = query.where(Loan.status.in_(status))
    if customer is not None:
        query = query.where(Loan.customer.has(named(Customer, customer)))
    if flagged is not None:
        query = query.where(Loan.fraud_flags.any() if flagged else ~Loan.fraud_flags.any())
    return page_of(
        query,
        order=oldest_first(Loan) if sort == "oldest" else newest_first(Loan),
        page=page,
        page_size=page_size,
        options=(with_customer, with_flags),
    )


def find(actor: Actor, ref: str) -> Any:
    """The loan of that id or external id, as it is shown. Raises LoanNotFound."""
    return read_loan(actor, ref)


def history(actor: Actor, ref: str) -> Sequence[LoanEvent]:
    """Every change of the loan's status, oldest first."""
    return db.session.scalars(find_loan(actor, ref).history.select()).all()


def explain_risk(actor: Actor, ref: str) -> risk.Assessment:
    """The loan's score with each factor's input, weight and contribution."""
    return _assess(find_loan(actor, ref))


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


def _edit(actor: Actor, customer: Customer, loan: Loan, values: dict[str, Any]) -> None:
    if loan.status not in EDITABLE:
        raise LoanNotEditable(f"An application that is {loan.status} can no longer be edited.")
    changed = loan.edit(values)
    if SCORED_BY.intersection(changed):
        loan.risk_score = _assess(loan).score
    if "amount" in changed:
        credit.must_fit_the_limit(customer, loan)
    if changed:
        audit.record(actor, "loan.edited", loan, fields=changed)
        fraud.reexamine(actor, customer, loan, changed)


def _assess(loan: Loan) -> risk.Assessment:
    return risk.assess(
        amount=loan.amount,
        term_months=loan.term_months,
        income=loan.income,
        expenses=loan.expenses,
    )
