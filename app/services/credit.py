"""The line of credit: what a customer owes and has applied for, and what still fits."""

from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
)

from app.errors import CreditLimitExceeded, CustomerNotFound
from app.models import Customer, Loan, LoanStatus
from app.models.loan import AWAITED
from app.reading import Reading
from app.services.along import Seen

# As literals: a list of parameters would have to be written out for each statement.
_AWAITED: tuple[ColumnElement[str], ...] = tuple(literal_column(f"'{each}'") for each in AWAITED)


def must_fit_the_limit(customer: Customer, loan: Loan) -> None:
    """Raise CreditLimitExceeded unless `loan` fits beside the rest of the customer's debt.

    The customer must be locked, or two loans may each find room for themselves alone.
    """
    if customer.credit_limit is None:
        return
    (others,) = _debt_beside().rows({"customer_id": customer.id, "id": loan.id})
    debt: Decimal = others.debt
    if debt + loan.amount > customer.credit_limit:
        available = max(customer.credit_limit - debt, Decimal("0.00"))
        raise CreditLimitExceeded(
            f"Credit limit exceeded: {loan.amount} asked, {available} available."
        )


@cache
def _debt_beside() -> Reading:
    """Of all the customer's loans but one, whoever may see them."""
    return Reading(
        _debt_of(bindparam("customer_id", type_=Uuid())).where(Loan.id != bindparam("id"))
    )


def _debt_of(customer_id: SQLColumnExpression[UUID]) -> Select[Decimal]:
    committed = func.sum(Loan.amount).filter(Loan.status.in_(_AWAITED))
    owed = func.sum(Loan.outstanding).filter(Loan.status == LoanStatus.ACTIVE)
    debt = func.coalesce(committed, 0) + func.coalesce(owed, 0)
    return select(debt.label("debt")).where(Loan.customer_id == customer_id)


def _balance() -> Select[*tuple[Any, ...]]:
    """What a customer owes and has applied for; NULL is available without a line of credit."""
    debt = _debt_of(Customer.id).correlate(Customer).scalar_subquery()
    return select(
        Customer.external_id,
        Customer.credit_limit,
        debt.label("total_debt"),
        (Customer.credit_limit - debt).label("available_credit"),
    )


BALANCE = Seen(Customer, _balance(), Customer.created_by, CustomerNotFound)
