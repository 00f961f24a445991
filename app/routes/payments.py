"""Payments: taken, listed, undone."""

from typing import Any

from flask import Blueprint

from app.errors import (
    AccountFull,
    AdminOnly,
    CustomerNotFound,
    ExportsBusy,
    ExternalIdTaken,
    InsufficientFunds,
    PaymentNotFound,
    PaymentNotReversible,
    StaffOnly,
    Stale,
)
from app.schemas.common import ReasonRequiredIn
from app.schemas.payments import PaymentExportFilter, PaymentIn, PaymentListFilter, PaymentOut
from app.services import exports, payments, records
from app.services.actor import Actor
from app.web.endpoint import endpoint

bp = Blueprint("payments", __name__, url_prefix="/payments")


@bp.post("/")
@endpoint(
    body=PaymentIn,
    returns=PaymentOut,
    status=201,
    location="/payments/{id}",
    raises=(StaffOnly, CustomerNotFound, InsufficientFunds, ExternalIdTaken),
)
def create(actor: Actor, body: dict[str, Any]) -> object:
    """Take a payment and spread it over the customer's loans, the oldest first."""
    return payments.pay(actor, **body)


@bp.get("/")
@endpoint(query=PaymentListFilter, returns=PaymentOut)
def index(actor: Actor, query: dict[str, Any]) -> object:
    """List the payments, newest first."""
    return payments.search(actor, **query)


@bp.get("/export")
@endpoint(
    query=PaymentExportFilter, returns=PaymentOut, streams=True, raises=(StaffOnly, ExportsBusy)
)
def export(actor: Actor, query: dict[str, Any]) -> object:
    """Export all payments that the list has, newest first, as CSV or JSON lines."""
    return exports.of_payments(actor, **query)


@bp.get("/<ref>")
@endpoint(returns=PaymentOut, reads=records.PAYMENT)
def show(payment: object) -> object:
    """Show a payment with what each loan got of it."""
    return payment


@bp.post("/<ref>/reverse")
@endpoint(
    body=ReasonRequiredIn,
    returns=PaymentOut,
    status=201,
    location="/payments/{id}",
    conditional=True,
    raises=(AdminOnly, PaymentNotFound, PaymentNotReversible, AccountFull, Stale),
)
def reverse(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Undo a payment by another; the loans it had closed reopen."""
    return payments.reverse(actor, ref, **body)
