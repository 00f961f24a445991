"""What is to be known of an application before it is judged, gathered in one statement."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Interval,
    ScalarSelect,
    SQLColumnExpression,
    String,
    Uuid,
    bindparam,
    func,
    select,
    tuple_,
)
from sqlalchemy.orm import aliased

from app import config
from app.models import Customer, Loan
from app.reading import Reading
from app.rules.fraud import Facts
from app.services import domains
from app.services.credit import debt_beside

# Of a domain; beyond, the cache may know.
COUNTED_AT_MOST = 100
END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_before, _other = aliased(Loan, name="before"), aliased(Customer, name="other")


@dataclass(frozen=True, slots=True)
class Application:
    """Whose facts are asked, as columns or parameters; what was made `until` then came before."""

    id: SQLColumnExpression[UUID]
    customer_id: SQLColumnExpression[UUID]
    at: SQLColumnExpression[datetime]
    until: SQLColumnExpression[datetime]

    def made(self, window: SQLColumnExpression[timedelta]) -> ScalarSelect[int]:
        """How many the customer had made within the window, this one aside."""
        return select(func.count()).where(*self._within(window)).scalar_subquery()

    def declared_before(self, window: SQLColumnExpression[timedelta]) -> ScalarSelect[Decimal]:
        """The income first declared on the one before, within the window."""
        incomes = select(func.coalesce(_before.first_income, _before.income))
        newest_first = (_before.created_at.desc(), _before.id.desc())
        within = incomes.where(*self._within(window))
        return within.order_by(*newest_first).limit(1).scalar_subquery()

    def _within(self, window: SQLColumnExpression[timedelta]) -> list[ColumnElement[bool]]:
        return [
            _before.customer_id == self.customer_id,
            _before.id != self.id,
            _before.created_at > self.at - window,
            tuple_(_before.created_at, _before.id) < tuple_(self.until, self.id),
        ]


class Known(NamedTuple):
    """The facts, and what the customer owes and has applied for beside the application."""

    facts: Facts
    debt: Decimal


def gather(customer: Customer, loan: Loan, *, is_new: bool) -> Known:
    """What is known now of an application whose customer is locked.

    Of a new one every other application of the customer counts as made before it, even where the
    clock of another machine says later.
    """
    domain = customer.email_domain
    is_public = domain in config.current().public_email_providers
    asked = _asked(customer, loan, is_new=is_new, counted_domain=None if is_public else domain)
    (row,) = _query().rows(asked)
    counted = row.customers_of_domain
    if domain and counted == COUNTED_AT_MOST:
        counted = domains.customers(domain)
    declared = [each for each in (row.declared_before, loan.first_income) if each is not None]
    facts = Facts(
        amount=loan.amount,
        income=loan.income,
        applications=row.made + 1,
        declared_before=min(declared, default=None),
        email_domain=domain,
        is_public_domain=is_public,
        is_disposable_domain=domain is not None and domains.is_disposable(domain),
        customers_of_domain=counted,
        others_with_phone=row.others_with_phone,
    )
    return Known(facts, row.debt)


def _asked(
    customer: Customer, loan: Loan, *, is_new: bool, counted_domain: str | None
) -> dict[str, object]:
    limits = config.current().fraud
    return {
        "id": loan.id,
        "customer_id": customer.id,
        "at": loan.created_at,
        "until": END_OF_TIME if is_new else loan.created_at,
        "velocity_window": limits["velocity"].window,
        "income_window": limits["income-jump"].window,
        "phone": customer.phone_digits,
        "domain": counted_domain,
    }


@cache
def _query() -> Reading:
    of = Application(
        id=bindparam("id", type_=Uuid()),
        customer_id=bindparam("customer_id", type_=Uuid()),
        at=bindparam("at", type_=DateTime(timezone=True)),
        until=bindparam("until", type_=DateTime(timezone=True)),
    )
    domain, digits = (bindparam(name, type_=String()) for name in ("domain", "phone"))
    of_domain = (
        select(_other.id).where(_other.email_domain == func.lower(domain)).limit(COUNTED_AT_MOST)
    )
    others = select(func.count()).where(_other.phone_digits == digits, _other.id != of.customer_id)
    columns: dict[str, ColumnElement[Any]] = {
        "made": of.made(bindparam("velocity_window", type_=Interval())),
        "declared_before": of.declared_before(bindparam("income_window", type_=Interval())),
        "customers_of_domain": func.cardinality(func.array(of_domain.scalar_subquery())),
        "others_with_phone": others.scalar_subquery(),
        "debt": debt_beside(of.customer_id, of.id).scalar_subquery(),
    }
    return Reading(select(*(column.label(name) for name, column in columns.items())))
