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
_ACTIVE: ColumnElement[str] = literal_column(f"'{LoanStatus.ACTIVE}'")
_AWAITED: tuple[ColumnElement[str], ...] = tuple(literal_column(f"'{each}'") for each in AWAITED)


def must_fit_the_limit(customer: Customer, loan: Loan, debt: Decimal | None = None) -> None:
    """Raise CreditLimitExceeded unless `loan` fits beside the rest of the customer's debt.

    The customer must be locked, or two loans may each find room for themselves alone. The rest is
    asked for, unless it was read under this lock as `debt`.
    """
    if customer.credit_limit is None:
        return
    if debt is None:
        (others,) = _others().rows({"customer_id": customer.id, "id": loan.id})
        debt = others.debt
    if debt + loan.amount > customer.credit_limit:
        available = max(customer.credit_limit - debt, Decimal("0.00"))
        raise CreditLimitExceeded(
            f"Credit limit exceeded: {loan.amount} asked, {available} available."
        )


def debt_beside(
    customer_id: SQLColumnExpression[UUID], loan_id: SQLColumnExpression[UUID]
) -> Select[Decimal]:
    """What a customer owes and has applied for by all loans but one, whoever may see them."""
    return _debt_of(customer_id).where(Loan.id != loan_id)


@cache
def _others() -> Reading:
    customer_id, loan_id = (bindparam(name, type_=Uuid()) for name in ("customer_id", "id"))
    return Reading(debt_beside(customer_id, loan_id))


def _debt_of(customer_id: SQLColumnExpression[UUID]) -> Select[Decimal]:
    committed = func.sum(Loan.amount).filter(Loan.status.in_(_AWAITED))
    owed = func.sum(Loan.outstanding).filter(Loan.status == _ACTIVE)
    debt = func.coalesce(committed, 0) + func.coalesce(owed, 0)
    counted = Loan.status.in_((*_AWAITED, _ACTIVE))  # for the index of those
    return select(debt.label("debt")).where(Loan.customer_id == customer_id, counted)


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
