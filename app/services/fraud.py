"""Fraud: asking the rules about an application, and putting what they find on record."""

from collections.abc import Collection, Iterable
from textwrap import shorten

from sqlalchemy import select
from sqlalchemy.orm.attributes import set_committed_value

from app import config
from app.db import db
from app.models import Customer, FlagClearance, FraudFlag, Loan, LoanStatus, Severity
from app.models.base import now
from app.models.loan import EDITABLE
from app.rules import fraud
from app.rules.fraud import RULES, Finding
from app.services import audit, facts, notices
from app.services.access import Actor, with_customer, with_flags

REASON_LENGTH = 500
NO_LONGER = "No longer found after an edit."
FOUND_ANEW = "Found anew after an edit, with other numbers."


def examine(actor: Actor, customer: Customer, loan: Loan) -> None:
    """Ask every rule about a new application, and flag it when one finds something.

    The customer must be locked, or two applications may each take themselves for the third.
    """
    set_committed_value(loan, "fraud_flags", [])
    findings = _ask(RULES, customer, loan, is_new=True)
    if findings:
        _add_flags(loan, findings.values())
        _move_to_flagged(actor, loan, findings.values())


def reexamine(actor: Actor, customer: Customer, loan: Loan, changed: Collection[str]) -> None:
    """Ask the rules that read what an edit changed; customer and loan are locked.

    What they find anew is added, what they no longer find is cleared, nothing is deleted. An
    application that is left without an open flag goes back to the queue.
    """
    limits = config.current().fraud
    asked = {
        name
        for name, rule in RULES.items()
        if limits[name].is_on and rule.reads.intersection(changed)
    }
    if not asked:
        return
    findings = _ask(asked, customer, loan, is_new=False)
    for flag in [flag for flag in loan.fraud_flags if flag.rule in asked]:
        found = findings.get(flag.rule)
        if found is not None and found.evidence == flag.evidence:
            del findings[flag.rule]  # it stands
        else:
            _clear(loan, flag, NO_LONGER if found is None else FOUND_ANEW)
    _add_flags(loan, findings.values())
    if findings and loan.status == LoanStatus.PENDING:
        _move_to_flagged(actor, loan, findings.values())
    elif not loan.fraud_flags and loan.status == LoanStatus.FLAGGED:
        loan.move_to(LoanStatus.PENDING, by=None, reason=NO_LONGER)
        audit.record(actor, "loan.flags_cleared", loan, by="policy")


def reexamine_open_applications(actor: Actor, customer: Customer, changed: Collection[str]) -> None:
    """The same for every open application of a customer whose own fields were edited."""
    if not any(rule.reads.intersection(changed) for rule in RULES.values()):
        return
    # All of the customer's, whoever may see them. The edit is flushed by this, before the facts are
    # gathered past the session.
    applications = db.session.scalars(
        select(Loan)
        .where(Loan.customer_id == customer.id, Loan.status.in_(EDITABLE))
        .order_by(Loan.id)
        .options(with_customer, with_flags)
        .with_for_update(of=Loan)
        .execution_options(populate_existing=True)
    )
    for loan in applications.all():
        reexamine(actor, customer, loan, changed)


def _ask(
    asked: Collection[str], customer: Customer, loan: Loan, *, is_new: bool
) -> dict[str, Finding]:
    limits = config.current().fraud
    if not any(limits[name].is_on for name in asked):
        return {}
    known = facts.gather(customer, loan, is_new=is_new)
    return {found.rule: found for found in fraud.find(known, limits, asked)}


def _add_flags(loan: Loan, findings: Iterable[Finding]) -> None:
    """What is shown of the loan has changed then, so its entity tag must, too."""
    flags = [
        FraudFlag(
            rule=found.rule,
            reason=found.reason,
            severity=Severity(found.severity),
            evidence=dict(found.evidence),
        )
        for found in findings
    ]
    if flags:
        loan.flags.add_all(flags)
        loan.updated_at = now()
        set_committed_value(loan, "fraud_flags", [*loan.fraud_flags, *flags])


def _clear(loan: Loan, flag: FraudFlag, reason: str) -> None:
    db.session.add(FlagClearance(flag_id=flag.id, by=None, reason=reason))
    loan.updated_at = now()
    set_committed_value(loan, "fraud_flags", [kept for kept in loan.fraud_flags if kept != flag])


def _move_to_flagged(actor: Actor, loan: Loan, findings: Collection[Finding]) -> None:
    reasons = shorten(" ".join(found.reason for found in findings), REASON_LENGTH, placeholder=" …")
    loan.move_to(LoanStatus.FLAGGED, by=None, reason=reasons)
    rules = [found.rule for found in findings]
    audit.record(actor, "loan.flagged", loan, by="policy", rules=rules)
    notices.announce(loan)
