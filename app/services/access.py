"""Who asks, and what exists for them: the root of every query on the business tables."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, select
from sqlalchemy.orm import joinedload, selectinload

from app.db import db
from app.errors import AdminOnly, CustomerNotFound, LoanNotFound, StaffOnly, Stale, UserOnly
from app.models import Customer, Loan, Role
from app.models.base import Versioned

with_customer = joinedload(Loan.customer, innerjoin=True).load_only(Customer.external_id)
with_flags = selectinload(Loan.fraud_flags)

Kind = Literal["user", "api-key", "console"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The caller of a service: a user in a log-in session, an API key, or the command line.

    `if_match` is the entity tag the caller decided on, if they named one; `request_id` and
    `address` go into the audit trail.
    """

    id: UUID
    role: Role
    kind: Kind = "user"
    session_id: UUID | None = None
    if_match: str | None = None
    request_id: str | None = None
    address: str | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_staff(self) -> bool:
        return self.role in (Role.ADMIN, Role.OFFICER)

    def must_be_admin(self) -> None:
        if not self.is_admin:
            raise AdminOnly

    def must_be_staff(self) -> None:
        if not self.is_staff:
            raise StaffOnly

    def must_be_user(self) -> None:
        if self.kind != "user":
            raise UserOnly

    def must_expect(self, record: Versioned) -> None:
        """Raise Stale when the caller decided on another version than this one."""
        if self.if_match not in (None, "*", record.etag):
            raise Stale


def visible_customers(actor: Actor) -> Select[Customer]:
    """The root of every customer query: what the actor may not see does not exist."""
    query = select(Customer)
    return query if actor.is_staff else query.where(Customer.created_by == actor.id)


def visible_loans(actor: Actor) -> Select[Loan]:
    """The root of every loan query: what the actor may not see does not exist."""
    query = select(Loan)
    return query if actor.is_staff else query.where(Loan.created_by == actor.id)


def find_customer(actor: Actor, ref: str, *, lock: bool = False) -> Customer:
    """The customer of that id or external id; `lock` also holds the actor to their `if_match`.

    Raises CustomerNotFound, Stale.
    """
    query = visible_customers(actor).where(named(Customer, ref))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    customer = db.session.scalar(query)
    if customer is None:
        raise CustomerNotFound
    if lock:
        actor.must_expect(customer)
    return customer


def find_loan(actor: Actor, ref: str, *, lock: bool = False) -> Loan:
    """The loan of that id or external id, with its customer's names and its open flags.

    `lock` also holds the actor to their `if_match`. Raises LoanNotFound, Stale.
    """
    query = visible_loans(actor).where(named(Loan, ref)).options(with_customer)
    if lock:
        # Whoever waits for the lock sees joined rows as they were before the wait, so the flags
        # are read by a statement of their own.
        query = query.options(with_flags).with_for_update(of=Loan)
        query = query.execution_options(populate_existing=True)
    else:
        query = query.options(joinedload(Loan.fraud_flags))
    loan = db.session.scalars(query).unique().one_or_none()
    if loan is None:
        raise LoanNotFound
    if lock:
        actor.must_expect(loan)
    return loan


def lock_loan_and_customer(actor: Actor, ref: str) -> tuple[Loan, Customer]:
    """A loan with the customer who owes it, both locked, the customer first as everywhere.

    Raises LoanNotFound, Stale.
    """
    owner = visible_loans(actor).with_only_columns(Loan.customer_id).where(named(Loan, ref))
    customer = db.session.scalar(
        select(Customer)
        .where(Customer.id.in_(owner))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if customer is None:
        raise LoanNotFound
    return find_loan(actor, ref, lock=True), customer


def named(model: type[Customer | Loan], ref: str) -> ColumnElement[bool]:
    """The condition on a record's own id or the caller's external id; the two never look alike."""
    if "\0" in ref:
        return false()
    try:
        return model.id == UUID(ref)
    except ValueError:
        return model.external_id == ref
