"""Loans, customers and payments as they are shown: plain rows, half the work of objects.

Each has its table's columns, its `etag`, and what belongs to it: the customer's own id for
themselves, the open flags of a loan, the details of a payment. Staff see all of them, anyone else
those of customers and loans that they created.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    Select,
    String,
    Uuid,
    bindparam,
    cast,
    func,
    inspect,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import aliased

from app.db import Base
from app.errors import CustomerNotFound, LoanNotFound, PaymentNotFound
from app.models import Book, Customer, Entry, FraudFlag, Journal, Loan, LoanEvent, Payment
from app.models.base import etag_in_sql
from app.reading import Reading
from app.services.access import key_of
from app.services.actor import Actor
from app.services.along import Seen
from app.services.listing import Listing

Shown = Select[*tuple[Any, ...]]
Condition = ColumnElement[bool]
_reversal = aliased(Payment, name="reversal")


def find(actor: Actor, seen: Seen, ref: str) -> Any:
    """The record of that name, as the actor may see it. Raises what says that it is missing."""
    key = key_of(ref)
    record = _found(seen, actor.is_staff, isinstance(key, UUID)).row(ref=key, actor_id=actor.id)
    if record is None:
        raise seen.missing
    return record


def read_history(actor: Actor, ref: str) -> Sequence[Any]:
    """Every change of the status of the loan of that name, oldest first. Raises LoanNotFound."""
    key = key_of(ref)
    found = _history(actor.is_staff, isinstance(key, UUID)).rows({"ref": key, **own(actor)})
    if not found:
        raise LoanNotFound
    return [event for event in found if event.id is not None]


def own(actor: Actor) -> Mapping[str, UUID]:
    """The filter that leaves an actor what they may see: none for staff."""
    return {} if actor.is_staff else {"created_by": actor.id}


def of_customer(name: str) -> Mapping[str, str | UUID]:
    """The filter by a customer's id or external id."""
    key = key_of(name)
    return {"customer_id" if isinstance(key, UUID) else "customer_external_id": key}


@cache
def _found(seen: Seen, sees_all: bool, by_id: bool) -> Reading:
    name = seen.model.id if by_id else seen.model.external_id
    theirs = [] if sees_all else [seen.owner == bindparam("actor_id")]
    return Reading(seen.shown.where(name == bindparam("ref"), *theirs))


@cache
def _history(sees_all: bool, by_id: bool) -> Reading:
    """A row of NULLs where a loan has no history, and none where there is no loan."""
    name = Loan.id if by_id else Loan.external_id
    seen = [] if sees_all else [LOANS.filters["created_by"]]
    loan = select(Loan.id).where(name == bindparam("ref"), *seen).subquery("loan")
    return Reading(
        select(*_columns(LoanEvent))
        .select_from(loan)
        .outerjoin(LoanEvent, LoanEvent.loan_id == loan.c.id)
        .order_by(LoanEvent.at, LoanEvent.id)
    )


def _columns(model: type[Base]) -> tuple[ColumnElement[Any], ...]:
    return tuple(inspect(model).local_table.columns)


def _flags() -> ScalarSelect[Any]:
    """The open flags of a loan as JSON, oldest first; NULL for none."""
    shown = ("rule", "reason", "severity", "evidence", "created_at")
    pairs = _pairs({name: getattr(FraudFlag, name) for name in shown})
    flag = aggregate_order_by(func.jsonb_build_object(*pairs), FraudFlag.created_at, FraudFlag.id)
    return (
        select(func.jsonb_agg(flag))
        # Nearly all loans have none, which their row tells.
        .where(Loan.open_flags > 0, FraudFlag.loan_id == Loan.id, ~FraudFlag.is_cleared())
        .correlate(Loan)
        .scalar_subquery()
    )


def _details() -> ScalarSelect[Any]:
    """What each loan got of a payment as JSON, in the order booked; amounts as exact text.

    NULL of one that moved nothing.
    """
    lent = aliased(Loan, name="lent")
    shown = {
        "loan_id": Entry.loan_id,
        "loan_external_id": lent.external_id,
        "amount": cast(Entry.amount, String),
        "outstanding_after": cast(Entry.balance_after, String),
    }
    pairs = _pairs(shown)
    detail = aggregate_order_by(func.jsonb_build_object(*pairs), Entry.id)
    return (
        select(func.jsonb_agg(detail))
        .select_from(Journal)
        .join(Entry, Entry.journal_id == Journal.id)
        .join(lent, lent.id == Entry.loan_id)
        .where(
            Journal.payment_id == Payment.id, Entry.book == literal_column(f"'{Book.RECEIVABLE}'")
        )
        .correlate(Payment)
        .scalar_subquery()
    )


def _pairs(values: Mapping[str, Any]) -> list[ColumnElement[Any]]:
    """Names and values in turn, as jsonb_build_object takes them."""
    return list(chain.from_iterable((text(f"'{name}'"), value) for name, value in values.items()))


def _loans() -> Shown:
    return select(
        *_columns(Loan),
        Loan.etag.label("etag"),
        Customer.external_id.label("customer_external_id"),
        _flags().label("fraud_flags"),
    ).join(Customer, Customer.id == Loan.customer_id)


def _customers() -> Shown:
    return select(*_columns(Customer), Customer.etag.label("etag"))


def _payments() -> Shown:
    # As a record's that has a version: to be reversed is all that can happen to a payment.
    version = func.num_nonnulls(_reversal.id) + literal_column("1")
    return (
        select(
            *_columns(Payment),
            etag_in_sql(Payment.id, version).label("etag"),
            Customer.external_id.label("customer_external_id"),
            _reversal.id.label("reversed_by"),
            _details().label("payment_details"),
        )
        .join(Customer, Customer.id == Payment.customer_id)
        .outerjoin(_reversal, _reversal.reverses == Payment.id)
    )


def _given(name: str, type_: Any = None) -> BindParameter[Any]:
    return bindparam(name, type_=type_)


def _of_customer(column: Any) -> dict[str, Condition]:
    """Filters by the customer of a loan or a payment."""
    named = select(Customer.id).where(Customer.external_id == _given("customer_external_id"))
    return {
        "customer_id": column == _given("customer_id"),
        "customer_external_id": column == named.scalar_subquery(),
    }


BY_CUSTOMER = frozenset(("customer_id", "customer_external_id"))
LOANS = Listing(
    Loan,
    _loans(),
    {
        **_of_customer(Loan.customer_id),
        "created_by": Loan.created_by == _given("created_by"),
        "status": Loan.status == _given("status"),
        "min_amount": Loan.amount >= _given("min_amount"),
        "max_amount": Loan.amount <= _given("max_amount"),
        "min_risk": Loan.risk_score >= _given("min_risk"),
        "max_risk": Loan.risk_score <= _given("max_risk"),
        "flagged": Loan.open_flags > literal_column("0"),
        "unflagged": Loan.open_flags == literal_column("0"),
    },
    "loans",
    telling=BY_CUSTOMER,
)
CUSTOMERS = Listing(
    Customer,
    _customers(),
    {
        "created_by": Customer.created_by == _given("created_by"),
        "status": Customer.status == _given("status"),
        "external_id": Customer.external_id == _given("external_id"),
        "q": Customer.holds(func.lower(_given("q", String))),
    },
    "customers",
    telling=frozenset(("external_id",)),
)
PAYMENTS = Listing(
    Payment,
    _payments(),
    {
        **_of_customer(Payment.customer_id),
        "created_by": Payment.customer_id.in_(
            select(Customer.id).where(Customer.created_by == _given("created_by", Uuid()))
        ),
        "status": Payment.status == _given("status"),
    },
    "payments",
    telling=BY_CUSTOMER,
)
LOAN = Seen(Loan, LOANS.shown, Loan.created_by, LoanNotFound)
CUSTOMER = Seen(Customer, CUSTOMERS.shown, Customer.created_by, CustomerNotFound)
PAYMENT = Seen(Payment, PAYMENTS.shown, Customer.created_by, PaymentNotFound)
