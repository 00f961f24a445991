"""Telling the admins of flagged loans, by mail, in the background, once a loan.

A notice is written down in the transaction that flags. Whoever delivers claims it for a while,
sends the mail, and writes down that it went. A claim that runs out is anyone's again: the mail had
failed, or its sender died.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app import mail
from app.background import Background
from app.db import after_commit, db, transaction
from app.models import FlagNotice, Loan, Role, User
from app.models.base import now
from app.services.access import with_flags

# Longer than a mail takes, for a claim that runs out under way lets it go twice.
CLAIM = timedelta(minutes=5)
PAUSE_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Mail:
    """A claimed notice as it will be read."""

    loan_id: UUID
    subject: str
    text: str
    to: tuple[str, ...]


def init_app(app: Flask) -> None:
    app.extensions["notices"] = Background(app, deliver, pause=PAUSE_SECONDS)


def announce(loan: Loan) -> None:
    """Have the admins told, after the commit, that the loan was flagged; once, however often.

    Part of the transaction at work. What is pending there is flushed first, the loan with it.
    """
    told = insert(FlagNotice).values(loan_id=loan.id, created_at=now()).on_conflict_do_nothing()
    db.session.execute(told)
    sender: Background = current_app.extensions["notices"]
    after_commit(sender.wake)


def deliver() -> int:
    """Send what is due, oldest first, and say how many mails went; a server that is away ends it.

    Any number of processes may do so at once, and each mail goes once. It goes again, with the same
    Message-ID, only where a sender died before it wrote that down, or took longer than its claim.
    """
    sent = 0
    while claimed := _claim():
        if not claimed.to:
            log.warning("no active admin is there to be told of flagged loans")
            break
        try:
            mail.send(claimed.subject, claimed.text, claimed.to, key=f"flagged-{claimed.loan_id}")
        except mail.NotSent as failure:
            told = {"loan": claimed.loan_id, "cause": str(failure)}
            log.warning("a notice was not sent, and will be tried again", extra=told)
            if not isinstance(failure, mail.Refused):
                break
        else:
            _mark_sent(claimed.loan_id)
            sent += 1
    return sent


def _claim() -> _Mail | None:
    """The oldest notice that is due, for this sender alone; no connection is held afterwards."""
    due = (
        select(FlagNotice.loan_id)
        .where(
            FlagNotice.sent_at.is_(None),
            or_(FlagNotice.claimed_until.is_(None), FlagNotice.claimed_until < func.now()),
        )
        .order_by(FlagNotice.created_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claim = (
        update(FlagNotice)
        .where(FlagNotice.loan_id == due)
        .values(claimed_until=func.now() + CLAIM)
        .returning(FlagNotice.loan_id)
        .execution_options(synchronize_session=False)
    )
    with transaction():
        loan_id = db.session.scalar(claim)
        return _mail(loan_id) if loan_id else None


def _mark_sent(loan_id: UUID) -> None:
    with transaction():
        db.session.execute(
            update(FlagNotice).where(FlagNotice.loan_id == loan_id).values(sent_at=func.now())
        )


def _mail(loan_id: UUID) -> _Mail:
    loan = db.session.get_one(Loan, loan_id, options=(with_flags,), populate_existing=True)
    admins = select(User.email).where(User.role == Role.ADMIN, User.is_active).order_by(User.id)
    return _Mail(
        loan_id=loan_id,
        subject=f"Loan {loan.external_id or loan.id} was flagged",
        text=_text(loan),
        to=tuple(db.session.scalars(admins)),
    )


def _text(loan: Loan) -> str:
    """Nothing of the customer's own: a mail lies about in more places than the database."""
    findings = [f"- {flag.rule}: {_on_one_line(flag.reason)}" for flag in loan.fraud_flags]
    lines = (
        "A loan was flagged and waits for a second look.",
        "",
        f"Loan: {loan.id}",
        *([f"External id: {_on_one_line(loan.external_id)}"] if loan.external_id else ()),
        f"Amount: {loan.amount}",
        f"Status: {loan.status}",
        "",
        *(("Open findings:", *findings) if findings else ("No finding is open any more.",)),
        "",
        f"Look at GET /loans/{loan.id}",
    )
    return "\n".join(lines) + "\n"


def _on_one_line(text: str) -> str:
    """So that nothing an outsider wrote can pose as a line of the mail's own."""
    return " ".join(text.split())
