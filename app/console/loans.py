"""Loans: found, looked at, edited and decided."""

from typing import Any

from flask import Blueprint, Response, request

from app.console.facts import facts_of
from app.console.layout import options, render
from app.console.page import go, page
from app.console.told import tell
from app.schemas.console import Decision, DecisionForm
from app.schemas.loans import ApplicationPatchIn, LoanFilter, LoanListFilter, LoanOut
from app.services import clearances, exports, loans, names, records, review
from app.services.actor import Actor
from app.web import streamed

bp = Blueprint("loans", __name__, url_prefix="/loans")


@bp.get("/")
@page(query=LoanListFilter)
def index(actor: Actor, query: dict[str, Any]) -> str:
    """List the loans, by all that the API can filter them by."""
    found = loans.search(actor, **query)
    return render(
        "loans.html",
        found=found,
        names=names.of_customers(actor, {loan.customer_id for loan in found.items}),
        statuses=options(LoanListFilter, "status"),
    )


@bp.get("/export")
@page(query=LoanFilter)
def export(actor: Actor, query: dict[str, Any]) -> Response:
    """Save all loans that the list has, in its order, as CSV."""
    return streamed.download(request, exports.of_loans(actor, **query), LoanOut, None)


@bp.get("/<ref>")
@page()
def show(actor: Actor, ref: str) -> str:
    """Show a loan: how it stands, why, and how it came there."""
    loan = records.find(actor, records.LOAN, ref)
    history = loans.history(actor, ref)
    answered = clearances.of_loan(actor, loan.id)
    deciders = {event.by for event in history} | {flag.cleared_by for flag in answered}
    return render(
        "loan.html",
        loan=loan,
        history=history,
        answered=answered,
        facts=facts_of(actor, loan),
        callers=names.of_callers(actor, (deciders | {loan.created_by}) - {None}),
        decisions=[str(each) for each in Decision],
    )


@bp.post("/<ref>/decision")
@page(form=DecisionForm, again=show)
def decide(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Approve, reject, flag, clear the flags of, withdraw or disburse a loan."""
    loan = review.decide(actor, ref, form["decision"], reason=form.get("reason"))
    tell(f"The loan is {loan.status} now.")
    return go("console.loans.show", ref=ref)


@bp.post("/<ref>/edit")
@page(form=ApplicationPatchIn, again=show)
def edit(actor: Actor, ref: str, form: dict[str, Any]) -> Response:
    """Edit an open application, which is judged anew."""
    loans.change(actor, ref, **form)
    tell("The application has been changed, and was judged anew.")
    return go("console.loans.show", ref=ref)
