"""Loans: applications, their decisions, their risk explained."""

from typing import Any

from flask import Blueprint

from app.errors import (
    AccountFull,
    AdminOnly,
    CreditLimitExceeded,
    CustomerInactive,
    CustomerNotFound,
    ExportsBusy,
    ExternalIdTaken,
    IllegalTransition,
    LoanNotEditable,
    LoanNotFound,
    LoanTooRisky,
    ReasonRequired,
    StaffOnly,
    Stale,
)
from app.schemas.common import ReasonIn, ReasonRequiredIn
from app.schemas.loans import (
    FlagOnRecordOut,
    LoanEventOut,
    LoanExportFilter,
    LoanIn,
    LoanListFilter,
    LoanOut,
    LoanPatchIn,
    RiskOut,
)
from app.services import clearances, decisions, exports, loans, records
from app.services.actor import Actor
from app.web.endpoint import endpoint
from app.web.remembered import Cached

bp = Blueprint("loans", __name__, url_prefix="/loans")

DECIDING = (AdminOnly, LoanNotFound, IllegalTransition, Stale)


@bp.post("/")
@endpoint(
    body=LoanIn,
    returns=LoanOut,
    status=201,
    location="/loans/{id}",
    raises=(CustomerNotFound, CustomerInactive, CreditLimitExceeded, ExternalIdTaken),
)
def create(actor: Actor, body: dict[str, Any]) -> object:
    """Apply for a loan: scored, held against the credit limit, flagged if a rule fires."""
    return loans.apply(actor, **body)


@bp.get("/")
@endpoint(query=LoanListFilter, returns=LoanOut, cached=Cached("loans", "loan-list"))
def index(actor: Actor, query: dict[str, Any]) -> object:
    """List the loans, newest first unless `sort` says otherwise."""
    return loans.search(actor, **query)


@bp.get("/export")
@endpoint(query=LoanExportFilter, returns=LoanOut, streams=True, raises=(StaffOnly, ExportsBusy))
def export(actor: Actor, query: dict[str, Any]) -> object:
    """Export all loans that the list has, in its order, as CSV or JSON lines."""
    return exports.of_loans(actor, **query)


@bp.get("/<ref>")
@endpoint(returns=LoanOut, reads=records.LOAN)
def show(loan: object) -> object:
    """Show a loan."""
    return loan


@bp.get("/<ref>/history")
@endpoint(returns=LoanEventOut, many=True, raises=(LoanNotFound,))
def history(actor: Actor, ref: str) -> object:
    """List every change of a loan's status, oldest first."""
    return loans.history(actor, ref)


@bp.get("/<ref>/flags")
@endpoint(returns=FlagOnRecordOut, many=True, raises=(LoanNotFound,))
def flags(actor: Actor, ref: str) -> object:
    """List every flag that a loan ever had, with how it was answered, oldest first."""
    return clearances.on_record(actor, ref)


@bp.get("/<ref>/risk")
@endpoint(returns=RiskOut, reads=records.LOAN)
def explain_risk(loan: object) -> object:
    """Explain a loan's risk score, factor by factor."""
    return loans.explain_risk(loan)


@bp.patch("/<ref>")
@endpoint(
    body=LoanPatchIn,
    returns=LoanOut,
    conditional=True,
    raises=(*DECIDING, LoanNotEditable, CreditLimitExceeded, LoanTooRisky, ReasonRequired),
)
def change(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Edit an open application; an admin may decide it by naming a `status`."""
    return loans.change(actor, ref, **body)


@bp.post("/<ref>/approve")
@endpoint(
    body=ReasonIn,
    returns=LoanOut,
    conditional=True,
    raises=(*DECIDING, LoanTooRisky, CreditLimitExceeded, ReasonRequired),
)
def approve(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Approve an application; a flagged one needs a reason."""
    return decisions.approve(actor, ref, **body)


@bp.post("/<ref>/reject")
@endpoint(body=ReasonIn, returns=LoanOut, conditional=True, raises=DECIDING)
def reject(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Reject an application."""
    return decisions.reject(actor, ref, **body)


@bp.post("/<ref>/flag")
@endpoint(body=ReasonRequiredIn, returns=LoanOut, conditional=True, raises=DECIDING)
def flag(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Flag an application by hand."""
    return decisions.flag(actor, ref, **body)


@bp.post("/<ref>/clear-flags")
@endpoint(body=ReasonRequiredIn, returns=LoanOut, conditional=True, raises=DECIDING)
def clear_flags(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Answer every open flag and put the application back in the queue."""
    return decisions.clear_flags(actor, ref, **body)


@bp.post("/<ref>/withdraw")
@endpoint(body=ReasonIn, returns=LoanOut, conditional=True, raises=DECIDING)
def withdraw(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Take an application back: whoever made it, or an admin."""
    return decisions.withdraw(actor, ref, **body)


@bp.post("/<ref>/activate")
@endpoint(
    body=ReasonIn,
    returns=LoanOut,
    conditional=True,
    raises=(*DECIDING, LoanTooRisky, CreditLimitExceeded, AccountFull),
)
def activate(actor: Actor, ref: str, body: dict[str, Any]) -> object:
    """Disburse a loan; a pending one is approved first, by the same rules."""
    return decisions.activate(actor, ref, **body)
