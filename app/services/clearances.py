"""Flags and their answers: what had been found, and why it holds the loan up no longer."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from app.db import db
from app.errors import LoanNotFound
from app.models import FlagClearance, FraudFlag, Loan
from app.services.access import named, visible_loans
from app.services.actor import Actor

SHOWN = 50


def of_loan(actor: Actor, loan_id: UUID) -> Sequence[Any]:
    """The answered flags of a loan, the last answered first, SHOWN at most; none of an unseen one.

    Each has what was found, and `cleared_at`, `cleared_by` (None for the rule) and `answer`.
    """
    seen = visible_loans(actor).with_only_columns(Loan.id).where(Loan.id == loan_id)
    shown = (FraudFlag.rule, FraudFlag.severity, FraudFlag.reason, FraudFlag.created_at)
    answered = (
        FlagClearance.at.label("cleared_at"),
        FlagClearance.by.label("cleared_by"),
        FlagClearance.reason.label("answer"),
    )
    query = (
        select(*shown, *answered)
        .join(FlagClearance, FlagClearance.flag_id == FraudFlag.id)
        .where(FraudFlag.loan_id.in_(seen))
        .order_by(FlagClearance.at.desc(), FraudFlag.id.desc())
        .limit(SHOWN)
    )
    return db.session.execute(query).all()


def on_record(actor: Actor, ref: str) -> Sequence[Any]:
    """Every flag that a loan ever had, the first found first. Raises LoanNotFound.

    Each has what was found, and as `cleared` its answer, which is None while the flag is open.
    """
    cleared = aliased(FlagClearance, name="cleared")
    shown = (FraudFlag.rule, FraudFlag.reason, FraudFlag.severity, FraudFlag.evidence)
    query = (
        visible_loans(actor)
        .with_only_columns(*shown, FraudFlag.created_at, cleared, maintain_column_froms=True)
        .outerjoin(FraudFlag, FraudFlag.loan_id == Loan.id)
        .outerjoin(cleared, cleared.flag_id == FraudFlag.id)
        .where(named(Loan, ref))
        .order_by(FraudFlag.created_at, FraudFlag.id)
    )
    found = db.session.execute(query).all()
    if not found:
        raise LoanNotFound
    return [flag for flag in found if flag.rule is not None]
