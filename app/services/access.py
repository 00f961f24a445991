"""What exists for whoever asks: the root of every query on the business tables."""

from functools import cache
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, inspect, select
from sqlalchemy.orm import joinedload, selectinload

from app.db import db
from app.errors import CustomerNotFound, LoanNotFound, PaymentNotFound
from app.models import Customer, Entry, Journal, Loan, Payment
from app.models.base import bare
from app.reading import Reading
from app.services.actor import Actor

Record = TypeVar("Record", Customer, Loan)
with_customer = joinedload(Loan.customer, innerjoin=True).load_only(Customer.external_id)
with_flags = selectinload(Loan.fraud_flags)
with_payment = (
    joinedload(Payment.customer, innerjoin=True).load_only(Customer.external_id),
    joinedload(Payment.reversal).load_only(Payment.id),
    selectinload(Payment.payment_details).options(
        joinedload(Entry.loan).load_only(Loan.external_id)
    ),
)


def visible_customers(actor: Actor) -> Select[Customer]:
    """The root of every customer query: what the actor may not see does not exist."""
    return _visible(Customer, actor.is_staff).params(actor_id=actor.id)


def visible_loans(actor: Actor) -> Select[Loan]:
    """The root of every loan query: what the actor may not see does not exist."""
    return _visible(Loan, actor.is_staff).params(actor_id=actor.id)


def find_customer(actor: Actor, ref: str, *, lock: bool = False) -> Customer:
    """The customer of that id or external id; `lock` also holds the actor to their `if_match`.

    Raises CustomerNotFound, Stale.
    """
    key = key_of(ref)
    query = _customer_query(actor.is_staff, isinstance(key, UUID), lock)
    customer = db.session.scalar(query, {"ref": key, "actor_id": actor.id})
    if customer is None:
        raise CustomerNotFound
    if lock:
        actor.must_expect(customer)
    return customer


def lock_customer(actor: Actor, ref: str) -> Customer:
    """The customer of that id or external id, locked, as a copy that the session does not know.

    For what leaves them as they are, in a third of the time. Raises CustomerNotFound.
    """
    key = key_of(ref)
    row = _locking(actor.is_staff, isinstance(key, UUID)).row(ref=key, actor_id=actor.id)
    if row is None:
        raise CustomerNotFound
    return bare(Customer, **row._asdict())


def find_loan(actor: Actor, ref: str, *, lock: bool = False) -> Loan:
    """The loan of that id or external id, with its customer's names and its open flags.

    `lock` also holds the actor to their `if_match`. Raises LoanNotFound, Stale.
    """
    key = key_of(ref)
    query = _loan_query(actor.is_staff, isinstance(key, UUID), lock)
    loan = db.session.scalar(query, {"ref": key, "actor_id": actor.id})
    if loan is None:
        raise LoanNotFound
    if lock:
        actor.must_expect(loan)
    return loan


def visible_payments(actor: Actor) -> Select[Payment]:
    """The root of every payment query: those of the customers that the actor may see."""
    query = select(Payment)
    if not actor.is_staff:
        query = query.where(Payment.customer.has(Customer.created_by == bindparam("actor_id")))
    return query.params(actor_id=actor.id)


def find_payment(actor: Actor, ref: str) -> Payment:
    """The payment of that id or external id, with its details. Raises PaymentNotFound.

    Payments never change: none is locked.
    """
    query = visible_payments(actor).where(named(Payment, ref)).options(*with_payment)
    payment = db.session.scalar(query)
    if payment is None:
        raise PaymentNotFound
    return payment


def lock_loan_and_customer(actor: Actor, ref: str) -> tuple[Loan, Customer]:
    """A loan with the customer who owes it, both locked, the customer first as everywhere.

    Raises LoanNotFound, Stale.
    """
    customer = lock_borrower(actor, ref)
    return find_loan(actor, ref, lock=True), customer


def lock_borrower(actor: Actor, ref: str) -> Customer:
    """The customer who owes a loan, locked before it. Raises LoanNotFound."""
    owner = visible_loans(actor).with_only_columns(Loan.customer_id).where(named(Loan, ref))
    if (customer := _lock_customer(owner)) is None:
        raise LoanNotFound
    return customer


def lock_payer(actor: Actor, ref: str) -> Customer:
    """The customer who made a payment, locked. Raises PaymentNotFound."""
    paid = visible_payments(actor).with_only_columns(Payment.customer_id)
    if (customer := _lock_customer(paid.where(named(Payment, ref)))) is None:
        raise PaymentNotFound
    return customer


def _lock_customer(id_: Select[UUID]) -> Customer | None:
    return db.session.scalar(
        select(Customer)
        .where(Customer.id.in_(id_))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def named(model: type[Customer | Loan | Payment | Journal], ref: str) -> ColumnElement[bool]:
    """The condition on a record's own id or the caller's external id; the two never look alike."""
    key = key_of(ref)
    return model.id == key if isinstance(key, UUID) else model.external_id == key


def key_of(ref: str) -> UUID | str:
    """The id or the external id; text that PostgreSQL cannot hold is nobody's, like empty text."""
    try:
        return UUID(ref)
    except ValueError:
        return "" if "\0" in ref else ref


# Every request finds something: what depends only on the kind of caller and of ref is built once.


@cache
def _visible(model: type[Record], sees_all: bool) -> Select[Record]:
    query = select(model)
    return query if sees_all else query.where(model.created_by == bindparam("actor_id"))


@cache
def _customer_query(sees_all: bool, by_id: bool, lock: bool) -> Select[Customer]:
    name = Customer.id if by_id else Customer.external_id
    query = _visible(Customer, sees_all).where(name == bindparam("ref"))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return query


@cache
def _locking(sees_all: bool, by_id: bool) -> Reading:
    name = Customer.id if by_id else Customer.external_id
    of_customer = _visible(Customer, sees_all).where(name == bindparam("ref"))
    return Reading(of_customer.with_only_columns(*inspect(Customer).columns).with_for_update())


@cache
def _loan_query(sees_all: bool, by_id: bool, lock: bool) -> Select[Loan]:
    name = Loan.id if by_id else Loan.external_id
    query = _visible(Loan, sees_all).where(name == bindparam("ref"))
    # The flags by a statement of their own: whoever waits for the lock sees joined rows as they
    # were before the wait.
    query = query.options(with_customer, with_flags)
    if lock:
        query = query.with_for_update(of=Loan).execution_options(populate_existing=True)
    return query
