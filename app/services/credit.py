"""The line of credit: what a customer owes and has applied for, and what still fits."""

from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select

from app.db import db
from app.errors import CreditLimitExceeded
from app.models import Customer, Loan, LoanStatus
from app.models.loan import AWAITED
from app.services.access import Actor, find_customer


@dataclass(frozen=True, slots=True)
class Balance:
    """A customer's debt against their line of credit; `available_credit` is None without a line."""

    external_id: str | None
    credit_limit: Decimal | None
    total_debt: Decimal

    @property
    def available_credit(self) -> Decimal | None:
        return None if self.credit_limit is None else self.credit_limit - self.total_debt


def balance(actor: Actor, ref: str) -> Balance:
    """What the customer owes and has applied for, against their line of credit."""
    customer = find_customer(actor, ref)
    return Balance(customer.external_id, customer.credit_limit, _total_debt(customer))


def must_fit_the_limit(customer: Customer, loan: Loan) -> None:
    """Raise CreditLimitExceeded unless `loan` fits beside the rest of the customer's debt.

    The customer must be locked, or two loans may each find room for themselves alone.
    """
    if customer.credit_limit is None:
        return
    debt = _total_debt(customer, besides=loan)
    if debt + loan.amount > customer.credit_limit:
        available = max(customer.credit_limit - debt, Decimal("0.00"))
        raise CreditLimitExceeded(
            f"Credit limit exceeded: {loan.amount} asked, {available} available."
        )


def _total_debt(customer: Customer, *, besides: Loan | None = None) -> Decimal:
    committed = func.sum(Loan.amount).filter(Loan.status.in_(AWAITED))
    owed = func.sum(Loan.outstanding).filter(Loan.status == LoanStatus.ACTIVE)
    query = select(func.coalesce(committed, 0) + func.coalesce(owed, 0))
    query = query.where(Loan.customer_id == customer.id)
    if besides is not None:
        query = query.where(Loan.id != besides.id)
    debt: Decimal = db.session.execute(query).scalar_one()
    return debt
