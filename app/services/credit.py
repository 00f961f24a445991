"""The line of credit: what a customer owes and has applied for, and what still fits."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from app.db import db
from app.errors import CreditLimitExceeded, CustomerNotFound
from app.models import Customer, Loan, LoanStatus
from app.models.loan import AWAITED
from app.services.access import named, visible_customers
from app.services.actor import Actor


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
    debt = _debt_of(Customer.id).correlate(Customer).scalar_subquery()
    query = visible_customers(actor).where(named(Customer, ref))
    row = db.session.execute(
        query.with_only_columns(Customer.external_id, Customer.credit_limit, debt)
    ).one_or_none()
    if row is None:
        raise CustomerNotFound
    return Balance(*row)


def must_fit_the_limit(customer: Customer, loan: Loan) -> None:
    """Raise CreditLimitExceeded unless `loan` fits beside the rest of the customer's debt.

    The customer must be locked, or two loans may each find room for themselves alone.
    """
    if customer.credit_limit is None:
        return
    # Of all the customer's loans, whoever may see them.
    others = _debt_of(customer.id).where(Loan.id != loan.id)
    debt: Decimal = db.session.execute(others).scalar_one()
    if debt + loan.amount > customer.credit_limit:
        available = max(customer.credit_limit - debt, Decimal("0.00"))
        raise CreditLimitExceeded(
            f"Credit limit exceeded: {loan.amount} asked, {available} available."
        )


def _debt_of(customer_id: UUID | InstrumentedAttribute[UUID]) -> Select[Decimal]:
    committed = func.sum(Loan.amount).filter(Loan.status.in_(AWAITED))
    owed = func.sum(Loan.outstanding).filter(Loan.status == LoanStatus.ACTIVE)
    debt = func.coalesce(committed, 0) + func.coalesce(owed, 0)
    return select(debt).where(Loan.customer_id == customer_id)
