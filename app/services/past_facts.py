"""What the fraud rules were told of an application, or would have been: as of its own time."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, select
from sqlalchemy.orm import aliased

from app import config
from app.models import Customer, FraudFlag, Loan
from app.rules.fraud import Facts
from app.rules.limits import Limit
from app.services import domains
from app.services.facts import Application
from app.services.pages import within_days

Limits = Mapping[str, Limit]
_then = aliased(Customer, name="customer_then")


def since(day: date, limits: Sequence[Limits]) -> Select[Any]:
    """A row for each application made since that day, oldest first, whoever may see it.

    It has the loan's `id`, `external_id` and `created_at`, the reasons `on_record` by rule, and
    what `told` makes facts of. Customers of a domain or phone are counted until each of the limits
    is exceeded, and no further.
    """
    columns = {**_of_application(), **_of_customer(limits)}
    of = Application(Loan.id, Loan.customer_id, Loan.created_at, Loan.created_at)
    for number, each in enumerate(limits):
        columns[f"made_{number}"] = of.made(literal(each["velocity"].window))
        columns[f"declared_{number}"] = of.declared_before(literal(each["income-jump"].window))
    shown = (column.label(name) for name, column in columns.items())
    return (
        select(Loan.id, Loan.external_id, Loan.created_at, *shown)
        .join(Loan.customer)
        .where(*within_days(Loan.created_at, day, None))
        .order_by(Loan.created_at, Loan.id)
    )


def told(row: Row[Any], number: int) -> Facts:
    """The facts of a row, with the windows of the limits of that number."""
    domain = row.email_domain
    return Facts(
        amount=row.amount,
        income=row.income,
        applications=getattr(row, f"made_{number}") + 1,
        declared_before=getattr(row, f"declared_{number}"),
        email_domain=domain,
        is_public_domain=row.is_public_domain,
        is_disposable_domain=domain is not None and domains.is_disposable(domain),
        customers_of_domain=row.customers_of_domain,
        others_with_phone=row.others_with_phone,
    )


def _of_application() -> dict[str, Any]:
    """What it first asked for and declared, and what the rules have found of it."""
    flags = select(func.jsonb_object_agg(FraudFlag.rule, FraudFlag.reason))
    return {
        "amount": func.coalesce(Loan.first_amount, Loan.amount),
        "income": func.coalesce(Loan.first_income, Loan.income),
        "on_record": flags.where(FraudFlag.loan_id == Loan.id).scalar_subquery(),
    }


def _of_customer(limits: Sequence[Limits]) -> dict[str, Any]:
    """Whom they shared a domain or a phone with by then."""
    is_public = Customer.email_domain.in_(config.current().public_email_providers)
    of_domain = _known(_enough(limits, "email-domain"), _then.email_domain == Customer.email_domain)
    return {
        "email_domain": Customer.email_domain,
        "is_public_domain": func.coalesce(is_public, False),
        "customers_of_domain": case((is_public, 0), else_=of_domain),
        "others_with_phone": _known(
            _enough(limits, "shared-phone"),
            _then.phone_digits == Customer.phone_digits,
            _then.id != Customer.id,
        ),
    }


def _known(enough: int, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
    """How many customers there were by then, of at most so many."""
    found = (
        select(_then.id)
        .where(*conditions, _then.created_at <= Loan.created_at)
        .order_by(_then.created_at)
        .limit(enough)
    )
    return func.cardinality(func.array(found.scalar_subquery()))


def _enough(limits: Sequence[Limits], rule: str) -> int:
    return int(max(each[rule].threshold for each in limits)) + 1
