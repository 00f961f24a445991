"""Customers' accounts: what is held for them, paid in and paid out."""

from typing import Any

from flask import Blueprint

from app.errors import (
    AccountFull,
    AdminOnly,
    CustomerNotFound,
    EntryNotFound,
    EntryNotReversible,
    ExternalIdTaken,
    InsufficientFunds,
    StaffOnly,
)
from app.schemas.accounts import AccountOut, EntryOut, MovementIn
from app.schemas.common import ListFilter, ReasonRequiredIn
from app.services import accounts
from app.services.actor import Actor
from app.web.endpoint import endpoint

bp = Blueprint("accounts", __name__, url_prefix="/customers/<ref>/account")


@bp.get("/")
@endpoint(returns=AccountOut, raises=(CustomerNotFound,))
def show(actor: Actor, ref: str) -> object:
    """Show what a customer's account holds."""
    return accounts.holding(actor, ref)


@bp.get("/entries")
@endpoint(query=ListFilter, returns=EntryOut, raises=(CustomerNotFound,))
def index(actor: Actor, ref: str, query: dict[str, Any]) -> object:
    """List what was booked on a customer's account, newest first."""
    return accounts.entries(actor, ref, **query)


@bp.post("/deposits")
@endpoint(
    body=MovementIn,
    returns=EntryOut,
    status=201,
    raises=(StaffOnly, CustomerNotFound, AccountFull, ExternalIdTaken),
)
def deposit(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Pay into a customer's account."""
    return accounts.deposit(actor, ref, **body)


@bp.post("/withdrawals")
@endpoint(
    body=MovementIn,
    returns=EntryOut,
    status=201,
    raises=(StaffOnly, CustomerNotFound, InsufficientFunds, ExternalIdTaken),
)
def withdraw(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Pay out of a customer's account, which never goes below zero."""
    return accounts.withdraw(actor, ref, **body)


@bp.post("/entries/<entry>/reverse")
@endpoint(
    body=ReasonRequiredIn,
    returns=EntryOut,
    status=201,
    raises=(
        AdminOnly,
        CustomerNotFound,
        EntryNotFound,
        EntryNotReversible,
        InsufficientFunds,
        AccountFull,
    ),
)
def reverse(actor: Actor, ref: str, entry: str, body: dict[str, Any]) -> object:
    """Undo a deposit or a withdrawal by an entry of its own."""
    return accounts.reverse(actor, ref, entry, **body)
