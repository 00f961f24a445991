"""Customers and their credit."""

from typing import Any

from flask import Blueprint

from app.errors import (
    CustomerIncomplete,
    CustomerInUse,
    CustomerNotFound,
    EmailTaken,
    ExportsBusy,
    ExternalIdTaken,
    PhoneTaken,
    StaffOnly,
    Stale,
)
from app.schemas.customers import (
    BalanceOut,
    CustomerExportFilter,
    CustomerIn,
    CustomerListFilter,
    CustomerOut,
    CustomerPatchIn,
)
from app.services import credit, customers, exports, records
from app.services.actor import Actor
from app.web.endpoint import endpoint

bp = Blueprint("customers", __name__, url_prefix="/customers")


@bp.post("/")
@endpoint(
    body=CustomerIn,
    returns=CustomerOut,
    status=201,
    location="/customers/{id}",
    raises=(StaffOnly, EmailTaken, PhoneTaken, ExternalIdTaken, CustomerIncomplete),
)
def create(actor: Actor, body: dict[str, Any]) -> object:
    """Add a customer."""
    return customers.create(actor, **body)


@bp.get("/")
@endpoint(query=CustomerListFilter, returns=CustomerOut)
def index(actor: Actor, query: dict[str, Any]) -> object:
    """List the customers, newest first."""
    return customers.search(actor, **query)


@bp.get("/export")
@endpoint(
    query=CustomerExportFilter,
    returns=CustomerOut,
    streams=True,
    raises=(StaffOnly, ExportsBusy),
)
def export(actor: Actor, query: dict[str, Any]) -> object:
    """Export all customers that the list has, newest first, as CSV or JSON lines."""
    return exports.of_customers(actor, **query)


@bp.get("/<ref>")
@endpoint(returns=CustomerOut, reads=records.CUSTOMER)
def show(customer: object) -> object:
    """Show a customer."""
    return customer


@bp.patch("/<ref>")
@endpoint(
    body=CustomerPatchIn,
    returns=CustomerOut,
    conditional=True,
    raises=(StaffOnly, CustomerNotFound, EmailTaken, PhoneTaken, CustomerIncomplete, Stale),
)
def change(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Change a customer; `credit_limit` and `status` are for officers and admins."""
    return customers.change(actor, ref, **body)


@bp.delete("/<ref>")
@endpoint(status=204, conditional=True, raises=(StaffOnly, CustomerNotFound, CustomerInUse, Stale))
def remove(actor: Actor, ref: str) -> None:
    """Delete a customer that nothing refers to."""
    customers.remove(actor, ref)


@bp.get("/<ref>/balance")
@endpoint(returns=BalanceOut, reads=credit.BALANCE)
def balance(balance: object) -> object:
    """Show a customer's debt against their line of credit."""
    return balance
