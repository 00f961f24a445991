"""Payments: recorded, looked up, undone."""

from typing import Any

from flask import Blueprint, Response, request

from app.console.layout import options, render
from app.console.page import go, page
from app.console.told import tell
from app.console.words import money
from app.schemas.common import ReasonRequiredIn
from app.schemas.console import PaymentForm
from app.schemas.payments import PaymentFilter, PaymentListFilter, PaymentOut
from app.services import exports, names, payments, records
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("payments", __name__, url_prefix="/payments")


@bp.get("/")
@page(query=PaymentListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the payments, newest first."""
    found = payments.search(actor, **query)
    return render(
        "payments.html",
        found=found,
        names=names.of_customers(actor, {payment.customer_id for payment in found.items}),
        statuses=options(PaymentListFilter, "status"),
        sources=options(PaymentForm, "source"),
    )


@bp.post("/")
@page(form=PaymentForm, again=index, once=True)
def record(actor: Actor, form: dict[str, Any]) -> Response:
    """Take a payment and spread it over the customer's loans."""
    payment = payments.pay(actor, **form)
    if payment.status == "REJECTED":
        tell("More than the whole debt: on record as rejected, and nothing moved.", "refused")
    else:
        tell(f"{money(payment.total_amount)} taken.")
    return go("console.payments.show", ref=payment.id)


@bp.get("/export")
@page(query=PaymentFilter)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all payments that the list has, in its order, as CSV."""
    return streamed.download(request, exports.of_payments(actor, **query), PaymentOut, None)


@bp.get("/<ref>")
@page()
def show(actor: Actor, ref: str) -> str:
    """Show a payment, and what each loan got of it."""
    payment = records.find(actor, records.PAYMENT, ref)
    return render(
        "payment.html",
        payment=payment,
        names=names.of_customers(actor, {payment.customer_id}),
        callers=names.of_callers(actor, {payment.created_by}),
    )


@bp.post("/<ref>/reverse")
@page(form=ReasonRequiredIn, again=show, once=True)
def reverse(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Undo a payment by another; loans that it had closed reopen."""
    payment = payments.reverse(actor, ref, **form)
    tell(f"Reversed: {money(payment.total_amount)} is owed again.")
    return go("console.payments.show", ref=payment.id)
