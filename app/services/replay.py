"""What other limits of the fraud rules would have found in the past. Nothing is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, case, func, literal, select
from sqlalchemy.orm import aliased

from app import config
from app.db import db, snapshot
from app.errors import Invalid
from app.models import Customer, FraudFlag, Loan
from app.rules import fraud
from app.rules.fraud import RULES, Facts, Finding
from app.rules.limits import Limit, changed
from app.services import domains
from app.services.facts import Application
from app.services.pages import within_days

_then = aliased(Customer, name="customer_then")
Limits = Mapping[str, Limit]


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that finds something newly, or no longer, and what it says or said."""

    rule: str
    is_new: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One application: the rules on its record, and what is found under two sets of limits.

    On record is what the rules found at the time, also where it was cleared since.
    """

    loan_id: UUID
    external_id: str | None
    applied_at: datetime
    on_record: frozenset[str]
    configured: Mapping[str, Finding]
    tried: Mapping[str, Finding]

    def changes(self, *, from_record: bool) -> list[Change]:
        """What the limits tried change of what is configured, or of what is on record."""
        before = self.on_record if from_record else self.configured.keys()
        return [
            Change(rule, rule in self.tried, finding.reason if finding else "")
            for rule in RULES
            if (rule in before) != (rule in self.tried)
            for finding in (self.tried.get(rule) or self.configured.get(rule),)
        ]


def count(since: date) -> int:
    """How many applications there are to replay."""
    made = within_days(Loan.created_at, since, None)
    return db.session.scalar(select(func.count()).select_from(Loan).where(*made)) or 0


def replay(since: date, tried: Limits) -> Iterator[Replayed]:
    """Ask the rules about every application made since that day, oldest first, in one snapshot.

    What they are told is as of the application's own time: what had been applied for, and who was
    a customer, by then. Amounts, incomes, addresses and phones are those that are stored now.
    """
    configured = config.current().fraud
    with snapshot() as read:
        for row in read.execute(_query(since, configured, tried)):
            yield Replayed(
                loan_id=row.id,
                external_id=row.external_id,
                applied_at=row.created_at,
                on_record=frozenset(row.on_record) & RULES.keys(),
                configured=_found(row, configured, row.made, row.last_income),
                tried=_found(row, tried, row.made_tried, row.last_income_tried),
            )


def _found(
    row: Row[Any], limits: Limits, made: int, last_income: Decimal | None
) -> dict[str, Finding]:
    domain = row.email_domain
    facts = Facts(
        amount=row.amount,
        income=row.income,
        applications=made + 1,
        last_income=last_income,
        email_domain=domain,
        is_public_domain=row.is_public_domain,
        is_disposable_domain=domain is not None and domains.is_disposable(domain),
        customers_of_domain=row.customers_of_domain,
        others_with_phone=row.others_with_phone,
    )
    return {finding.rule: finding for finding in fraud.find(facts, limits)}


def _query(since: date, configured: Limits, tried: Limits) -> Select[Any]:
    # Every application, whoever may see it: the command line belongs to the lender.
    made = Application(Loan.id, Loan.customer_id, Loan.created_at, Loan.created_at)
    is_public = Customer.email_domain.in_(config.current().public_email_providers)
    were_there = select(func.count()).where(_then.created_at <= Loan.created_at)
    of_domain = were_there.where(_then.email_domain == Customer.email_domain).scalar_subquery()
    with_phone = were_there.where(
        _then.phone_digits == Customer.phone_digits, _then.id != Customer.id
    )
    flags = select(FraudFlag.rule).where(FraudFlag.loan_id == Loan.id)
    columns: dict[str, Any] = {
        "email_domain": Customer.email_domain,
        "is_public_domain": func.coalesce(is_public, False),
        # Of a public provider they are many and say nothing.
        "customers_of_domain": case((is_public, 0), else_=of_domain),
        "others_with_phone": with_phone.scalar_subquery(),
        "on_record": func.array(flags.scalar_subquery()),
    }
    for suffix, limits in (("", configured), ("_tried", tried)):
        columns[f"made{suffix}"] = made.made(literal(limits["velocity"].window))
        columns[f"last_income{suffix}"] = made.last_income(literal(limits["income-jump"].window))
    return (
        select(
            Loan.id,
            Loan.external_id,
            Loan.created_at,
            Loan.amount,
            Loan.income,
            *(column.label(name) for name, column in columns.items()),
        )
        .join(Loan.customer)
        .where(*within_days(Loan.created_at, since, None))
        .order_by(Loan.created_at, Loan.id)
    )


def limits_with(changes: Iterable[str]) -> Limits:
    """The configured limits after changes like "velocity.threshold=5" or "amount=off".

    Raises Invalid, in words for whoever wrote them.
    """
    limits = dict(config.current().fraud)
    for change in changes:
        name = change.partition("=")[0].partition(".")[0]
        told = change.removeprefix(name).lstrip(".=")
        if name not in RULES:
            raise Invalid({change: [f"There is no rule {name!r}; there are {', '.join(RULES)}."]})
        try:
            limits[name] = changed(limits[name], told, takes=RULES[name].takes)
        except ValueError as error:
            raise Invalid({change: [str(error)]}) from None
    return limits
