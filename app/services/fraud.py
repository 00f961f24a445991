"""Fraud: asking the rules about an application, and putting what they find on record."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from textwrap import shorten

from sqlalchemy import func, select
from sqlalchemy.orm.attributes import set_committed_value

from app import config
from app.db import append, db
from app.models import Customer, FlagClearance, FraudFlag, Loan, LoanStatus, Severity
from app.models.base import now
from app.models.loan import EDITABLE
from app.rules import fraud
from app.rules.fraud import RULES, Facts, Finding
from app.services import audit, counted, facts, notices
from app.services.access import with_customer, with_flags
from app.services.actor import Actor
from app.services.facts import Known

REASON_LENGTH = 500
NO_LONGER = "No longer found after an edit."
FOUND_ANEW = "Found anew after an edit, with other numbers."


def inquire(customer: Customer, loan: Loan) -> Known | None:
    """What is known of a new application; None where no rule is on, which would ask.

    The customer must be locked, or two applications may each take themselves for the third.
    """
    if not any(limit.is_on for limit in config.current().fraud.values()):
        return None
    return facts.gather(customer, loan, is_new=True)


def examine(actor: Actor, loan: Loan, known: Known | None) -> None:
    """Ask every rule about a new application, and flag it when one finds something."""
    set_committed_value(loan, "fraud_flags", [])
    findings = _ask(RULES, known.facts) if known else {}
    if findings:
        _add_flags(loan, findings.values())
        _move_to_flagged(actor, loan, findings.values())


def reexamine(
    actor: Actor,
    customer: Customer,
    loan: Loan,
    changed: Collection[str],
    known: Facts | None = None,
) -> None:
    """Ask the rules that read what an edit changed; customer and loan are locked.

    What they find anew is added, what they no longer find is cleared, nothing is deleted. An
    application that is left without an open flag goes back to the queue.
    """
    asked = _that_read(changed)
    if not asked:
        return
    findings = _ask(asked, known or facts.gather(customer, loan, is_new=False).facts)
    cleared = _clear_outdated(loan, asked, findings)
    _add_flags(loan, findings.values())
    if findings or cleared:
        named = {"found": sorted(findings), "cleared": sorted(cleared)}
        audit.record(actor, "loan.reexamined", loan, by="policy", **named)
    if findings and loan.status == LoanStatus.PENDING:
        _move_to_flagged(actor, loan, findings.values())
    elif not loan.fraud_flags and loan.status == LoanStatus.FLAGGED:
        loan.move_to(LoanStatus.PENDING, by=None, reason=NO_LONGER)
        audit.record(actor, "loan.flags_cleared", loan, by="policy")


def reexamine_open_applications(actor: Actor, customer: Customer, changed: Collection[str]) -> None:
    """The same for every open application of a customer whose own fields were edited.

    Customers who come to share a domain or phone do so in turn, or neither would see the other.
    """
    if not _that_read(changed):
        return
    db.session.flush()
    _take_turn(customer)
    # All of the customer's, whoever may see them.
    applications = db.session.scalars(
        select(Loan)
        .where(Loan.customer_id == customer.id, Loan.status.in_(EDITABLE))
        .order_by(Loan.id)
        .options(with_customer, with_flags)
        .with_for_update(of=Loan)
        .execution_options(populate_existing=True)
    ).all()
    if not applications:
        return
    # Rules that read a customer's fields are told the same of each application.
    known = facts.gather(customer, applications[0], is_new=False).facts
    for loan in applications:
        of_loan = replace(known, amount=loan.amount, income=loan.income)
        reexamine(actor, customer, loan, changed, of_loan)


def _take_turn(customer: Customer) -> None:
    """Wait for others who are taking the same domain or phone, and keep them until the commit."""
    is_public = customer.email_domain in config.current().public_email_providers
    for name in (None if is_public else customer.email_domain, customer.phone_digits):
        if name:
            number = func.hashtextextended(name, 0)
            db.session.execute(select(func.pg_advisory_xact_lock(number)))


def _that_read(changed: Collection[str]) -> set[str]:
    """The rules that are on and read any of the fields."""
    limits = config.current().fraud
    return {
        name
        for name, rule in RULES.items()
        if limits[name].is_on and rule.reads.intersection(changed)
    }


def _clear_outdated(loan: Loan, asked: Collection[str], findings: dict[str, Finding]) -> list[str]:
    """Clear what the rules asked no longer find so; what they still find leaves `findings`."""
    cleared = []
    for flag in [flag for flag in loan.fraud_flags if flag.rule in asked]:
        found = findings.get(flag.rule)
        if found is not None and found.evidence == flag.evidence:
            del findings[flag.rule]
        else:
            _clear(loan, flag, NO_LONGER if found is None else FOUND_ANEW)
            cleared.append(flag.rule)
    return cleared


def _ask(asked: Collection[str], known: Facts) -> dict[str, Finding]:
    found = fraud.find(known, config.current().fraud, asked)
    return {finding.rule: finding for finding in found}


def _add_flags(loan: Loan, findings: Iterable[Finding]) -> None:
    """What is shown of the loan has changed then, so its entity tag must, too."""
    flags = [
        FraudFlag(
            loan_id=loan.id,
            rule=found.rule,
            reason=found.reason,
            severity=Severity(found.severity),
            evidence=dict(found.evidence),
        )
        for found in findings
    ]
    if flags:
        append(*flags)
        counted.findings(flag.rule for flag in flags)
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
