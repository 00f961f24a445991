"""Deciding applications: each decision under lock, on the record, by the state machine."""

from decimal import Decimal

from app import config
from app.db import append, db, flush, transaction
from app.errors import AdminOnly, LoanTooRisky, ReasonRequired
from app.models import (
    Account,
    Customer,
    FlagClearance,
    FraudFlag,
    JournalKind,
    Loan,
    LoanStatus,
    Severity,
)
from app.models.base import now
from app.rules import risk
from app.services import audit, counted, ledger, notices
from app.services.access import find_loan, lock_borrower, lock_loan_and_customer
from app.services.actor import Actor
from app.services.credit import must_fit_the_limit
from app.services.ledger import credit, debit


def approve(actor: Actor, ref: str, *, reason: str | None = None) -> Loan:
    """Approve an application. Of two racing decisions one wins; the other is refused.

    Raises LoanTooRisky, CreditLimitExceeded, ReasonRequired when it is flagged.
    """
    return _decide(actor, ref, LoanStatus.APPROVED, reason)


def reject(actor: Actor, ref: str, *, reason: str | None = None) -> Loan:
    """Reject an application."""
    return _decide(actor, ref, LoanStatus.REJECTED, reason)


def flag(actor: Actor, ref: str, *, reason: str) -> Loan:
    """Flag an application by hand."""
    return _decide(actor, ref, LoanStatus.FLAGGED, reason)


def clear_flags(actor: Actor, ref: str, *, reason: str) -> Loan:
    """Answer every open flag and put the application back in the queue."""
    actor.must_be_admin()
    with transaction():
        loan = find_loan(actor, ref, lock=True)
        loan.move_to(LoanStatus.PENDING, by=actor.id, reason=reason)
        db.session.add_all(
            FlagClearance(flag_id=flag.id, by=actor.id, reason=reason) for flag in loan.fraud_flags
        )
        audit.record(actor, "loan.flags_cleared", loan)
        _show_flags(loan)
    return loan


def withdraw(actor: Actor, ref: str, *, reason: str | None = None) -> Loan:
    """Take an application back. Only whoever made it, or an admin."""
    with transaction():
        loan = find_loan(actor, ref, lock=True)
        if loan.created_by != actor.id and not actor.is_admin:
            raise AdminOnly("Only its creator or an admin withdraws an application.")
        loan.move_to(LoanStatus.WITHDRAWN, by=actor.id, reason=reason)
        audit.record(actor, "loan.withdrawn", loan)
    return loan


def activate(actor: Actor, ref: str, *, reason: str | None = None) -> Loan:
    """Disburse into the customer's account; the whole amount is owed from now on.

    A pending loan is approved first. Raises what approving does, and AccountFull.
    """
    actor.must_be_admin()
    with transaction():
        customer = lock_borrower(actor, ref)
        account = ledger.lock_account(customer)
        loan = find_loan(actor, ref, lock=True)
        if loan.status == LoanStatus.PENDING:
            take(actor, customer, loan, LoanStatus.APPROVED, reason)
        loan.move_to(LoanStatus.ACTIVE, by=actor.id, reason=reason)
        _disburse(actor, loan, account)
        must_fit_the_limit(customer, loan)
        audit.record(actor, "loan.activated", loan)
    return loan


def approve_unseen(actor: Actor, loan: Loan) -> None:
    """Approve a new application at once where the settings say so and nothing was found.

    The history names the policy. `actor` is whoever applied; the limit has been judged.
    """
    settings = config.current()
    most, risk_below = settings.auto_approve_below, settings.auto_approve_risk_below
    if loan.status != LoanStatus.PENDING or most is None:
        return
    if loan.amount <= most and loan.risk_score < risk_below:
        reason = f"At most {most}, a risk below {risk_below}, and no finding."
        loan.move_to(LoanStatus.APPROVED, by=None, reason=reason)
        audit.record(actor, "loan.approved", loan, by="policy")


def take(
    actor: Actor, customer: Customer, loan: Loan, status: LoanStatus, reason: str | None
) -> None:
    """Take one decision within the transaction at work; customer and loan are locked."""
    lifts_a_flag = loan.status == LoanStatus.FLAGGED and status == LoanStatus.APPROVED
    if reason is None and (lifts_a_flag or status == LoanStatus.FLAGGED):
        raise ReasonRequired
    loan.move_to(status, by=actor.id, reason=reason)
    if status == LoanStatus.APPROVED:
        _must_be_acceptable(loan.risk_score)
        must_fit_the_limit(customer, loan)
    audit.record(actor, f"loan.{status.lower()}", loan)
    if status == LoanStatus.FLAGGED:
        flag_beside(loan, reason)
        notices.announce(loan)


def flag_beside(loan: Loan, reason: str | None) -> None:
    """Add a person's flag to a loan that is FLAGGED, within the transaction at work."""
    if reason is None:
        raise ReasonRequired
    append(FraudFlag(loan_id=loan.id, rule=counted.MANUAL, reason=reason, severity=Severity.HIGH))
    counted.findings((counted.MANUAL,))
    _show_flags(loan)


def _disburse(actor: Actor, loan: Loan, account: Account) -> None:
    loan.taken_at = now()
    lines = (debit(loan, loan.amount), credit(account, loan.amount))
    ledger.post(actor, JournalKind.DISBURSEMENT, lines, loan_id=loan.id)


def _decide(actor: Actor, ref: str, status: LoanStatus, reason: str | None) -> Loan:
    actor.must_be_admin()
    with transaction():
        loan, customer = lock_loan_and_customer(actor, ref)
        take(actor, customer, loan, status, reason)
    return loan


def _must_be_acceptable(risk_score: Decimal) -> None:
    if not risk.acceptable(risk_score):
        raise LoanTooRisky(
            f"Loan too risky to approve: risk_score {risk_score} >= {risk.ACCEPTABLE_BELOW}."
        )


def _show_flags(loan: Loan) -> None:
    """Read the open flags anew, for an answer that shows them as they are now."""
    flush()
    db.session.refresh(loan, ["fraud_flags"])
