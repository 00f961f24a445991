"""Customers: found as one types, their pages, their accounts."""

from decimal import Decimal
from typing import Any

from flask import Blueprint, Response, request

from app.console.layout import options, render
from app.console.page import go, page
from app.console.told import tell
from app.console.words import money
from app.schemas.accounts import MovementIn
from app.schemas.common import ReasonRequiredIn
from app.schemas.console import CustomerForm
from app.schemas.customers import (
    CustomerFilter,
    CustomerListFilter,
    CustomerOut,
    CustomerPatchIn,
)
from app.schemas.loans import ApplicationIn
from app.services import accounts, credit, customers, exports, loans, payments, records
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("customers", __name__, url_prefix="/customers")

SHOWN: dict[str, Any] = {"page": 1, "page_size": 10}


@bp.get("/")
@page(query=CustomerListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the customers in whom something occurs, or all."""
    found = customers.search(actor, **query)
    return render("customers.html", found=found, statuses=options(CustomerListFilter, "status"))


@bp.post("/")
@page(form=CustomerForm, again=index, once=True)
def create(actor: Actor, form: dict[str, Any]) -> Response:
    """Add a customer."""
    customer = customers.create(actor, **form)
    tell("The customer has been added.")
    return go("console.customers.show", ref=customer.id)


@bp.get("/export")
@page(query=CustomerFilter)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all customers that the list has, in its order, as CSV."""
    return streamed.download(request, exports.of_customers(actor, **query), CustomerOut, None)


@bp.get("/<ref>")
@page()
def show(actor: Actor, ref: str) -> str:
    """Show all that there is of a customer."""
    return render(
        "customer.html",
        customer=records.find(actor, records.CUSTOMER, ref),
        balance=records.find(actor, credit.BALANCE, ref),
        holding=accounts.holding(actor, ref),
        entries=accounts.entries(actor, ref, **SHOWN),
        loans=loans.search(actor, customer=ref, **SHOWN),
        payments=payments.search(actor, customer=ref, **SHOWN),
        statuses=options(CustomerListFilter, "status"),
    )


@bp.post("/<ref>/edit")
@page(form=CustomerPatchIn, again=show)
def edit(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Change a customer; fraud rules that read it are asked again."""
    customers.change(actor, ref, **form)
    tell("The customer has been changed.")
    return go("console.customers.show", ref=ref)


@bp.post("/<ref>/loans")
@page(form=ApplicationIn, again=show, once=True)
def apply(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Take an application of the customer's."""
    loan = loans.apply(actor, customer=ref, **form)
    tell(f"The application has been taken. It is {loan.status}.")
    return go("console.loans.show", ref=loan.id)


@bp.post("/<ref>/deposits")
@page(form=MovementIn, again=show, once=True)
def deposit(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Pay into the customer's account."""
    entry = accounts.deposit(actor, ref, **form)
    return _booked(f"{money(entry.amount)} paid in", entry.balance_after, ref)


@bp.post("/<ref>/withdrawals")
@page(form=MovementIn, again=show, once=True)
def withdraw(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Pay out of the customer's account."""
    entry = accounts.withdraw(actor, ref, **form)
    return _booked(f"{money(entry.amount)} paid out", entry.balance_after, ref)


@bp.post("/<ref>/entries/<entry>/reverse")
@page(form=ReasonRequiredIn, again=show, once=True)
def reverse(actor: Actor, ref: str, entry: str, form: dict[str, Any]) -> Response:
    """Undo a deposit or a withdrawal."""
    undone = accounts.reverse(actor, ref, entry, **form)
    return _booked("Reversed", undone.balance_after, ref)


def _booked(what: str, balance: Decimal | None, ref: str) -> Response:
    tell(f"{what}. The account holds {money(balance)}.")
    return go("console.customers.show", ref=ref)
