"""Telling the admins of flagged loans, by mail, in the background, once a loan.

A notice is written down in the transaction that flags. Whoever delivers claims it for a while,
sends the mail, and writes down that it went. A claim that runs out is anyone's again: the mail
server was away, or the sender died. What the server refuses is put off, and given up in the end.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import ScalarSelect, func, or_, select, update

from app import mail
from app.background import Background
from app.db import after_commit, append, db, transaction
from app.models import FlagNotice, Loan, LoanStatus, Role, User
from app.services.access import with_flags

# Longer than a mail takes, for a claim that runs out under way lets it go twice.
CLAIM = timedelta(minutes=5)
PAUSE_SECONDS = 60.0
# After a refusal, doubled each time: nearly four days in all, about as long as a mail server tries.
FIRST_WAIT, LONGEST_WAIT, MOST_ATTEMPTS = timedelta(minutes=5), timedelta(days=1), 12
SINCE: Mapping[LoanStatus, str] = {
    LoanStatus.PENDING: "cleared, and is pending",
    LoanStatus.APPROVED: "approved",
    LoanStatus.REJECTED: "rejected",
    LoanStatus.WITHDRAWN: "withdrawn",
    LoanStatus.ACTIVE: "disbursed",
    LoanStatus.PAID: "paid back",
}
_UNSENT = FlagNotice.sent_at.is_(None)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Mail:
    """A claimed notice as it will be read."""

    loan_id: UUID
    claimed_until: datetime | None
    attempts: int
    subject: str
    text: str
    to: tuple[str, ...]


class _NobodyToTell(mail.NotSent):
    """Mail would go, but there is no active admin."""


class _Trouble:
    """What holds up every notice of this process: told when it begins and when it is over.

    One kind has many causes, such as a server that is now mute and now closed, and is told once.
    """

    def __init__(self) -> None:
        self._kind: type[mail.NotSent] | None = None

    def is_seen(self, failure: mail.NotSent) -> None:
        if self._kind is not type(failure):
            log.warning("no mail goes, and notices wait", extra={"cause": str(failure)})
        self._kind = type(failure)

    def is_over(self) -> None:
        if self._kind is not None:
            log.warning("mail goes again, and so do notices")
        self._kind = None


def init_app(app: Flask) -> None:
    def work() -> int:
        return deliver(lambda: sender.is_closed)

    sender = Background(app, work, pause=PAUSE_SECONDS)
    app.extensions["notices"] = sender
    app.extensions["notices-trouble"] = _Trouble()


def announce(loan: Loan) -> None:
    """Have the admins told that the loan was flagged, once, however often it is; after the commit.

    Part of the transaction at work.
    """
    append(FlagNotice(loan_id=loan.id), unless_there=True)
    sender: Background = current_app.extensions["notices"]
    after_commit(sender.wake)


def deliver(is_over: Callable[[], bool] = lambda: False) -> int:
    """Send what is due, oldest first, and say how many mails went; a server that is away ends it.

    So does `is_over`, asked before each. Any number of processes may do so at once, and each mail
    goes once. It goes again, with the same Message-ID, only where a sender died before it wrote
    that down, or took longer than its claim.
    """
    trouble: _Trouble = current_app.extensions["notices-trouble"]
    sent = 0
    while not is_over() and (claimed := _claim()):
        try:
            _send(claimed)
        except mail.Refused as refusal:
            _put_off(claimed, str(refusal))
        except mail.NotSent as failure:
            trouble.is_seen(failure)
            break
        else:
            trouble.is_over()
            _settle(claimed, sent_at=func.now())
            sent += 1
    return sent


def number_waiting() -> ScalarSelect[int]:
    """How many notices are to be sent."""
    waiting = select(func.count()).select_from(FlagNotice)
    return waiting.where(_UNSENT, FlagNotice.attempts < MOST_ATTEMPTS).scalar_subquery()


def number_given_up() -> ScalarSelect[int]:
    """How many were refused too often."""
    given_up = select(func.count()).select_from(FlagNotice)
    return given_up.where(_UNSENT, FlagNotice.attempts >= MOST_ATTEMPTS).scalar_subquery()


def longest_wait() -> ScalarSelect[float]:
    """How many seconds the oldest that is to be sent has waited by now; 0 where none waits."""
    seconds = func.extract("epoch", func.clock_timestamp() - func.min(FlagNotice.created_at))
    waiting = select(func.coalesce(seconds, 0)).select_from(FlagNotice)
    return waiting.where(_UNSENT, FlagNotice.attempts < MOST_ATTEMPTS).scalar_subquery()


def _claim() -> _Mail | None:
    """The oldest notice that is due, for this sender alone; no connection is held afterwards."""
    due = (
        select(FlagNotice.loan_id)
        .where(
            _UNSENT,
            FlagNotice.attempts < MOST_ATTEMPTS,
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
        .returning(FlagNotice.loan_id, FlagNotice.claimed_until, FlagNotice.attempts)
        .execution_options(synchronize_session=False)
    )
    with transaction():
        claimed = db.session.execute(claim).one_or_none()
        return _mail(*claimed) if claimed else None


def _send(claimed: _Mail) -> None:
    if not claimed.to:
        raise _NobodyToTell("no active admin")
    mail.send(claimed.subject, claimed.text, claimed.to, key=f"flagged-{claimed.loan_id}")


def _put_off(claimed: _Mail, cause: str) -> None:
    """Have a refused mail wait before it is tried again, or no longer try."""
    attempts = claimed.attempts + 1
    wait = min(FIRST_WAIT * 2**claimed.attempts, LONGEST_WAIT)
    if not _settle(claimed, attempts=attempts, claimed_until=func.now() + wait):
        return
    told = {"loan": claimed.loan_id, "attempts": attempts, "cause": cause}
    if attempts < MOST_ATTEMPTS:
        log.warning("a notice was refused, and will be tried again", extra=told)
    else:
        log.error("a notice was refused too often, and is given up", extra=told)


def _settle(claimed: _Mail, **values: Any) -> bool:
    """Write down what came of a claim, unless it ran out and is another's, who will say."""
    settled = (
        update(FlagNotice)
        .where(
            FlagNotice.loan_id == claimed.loan_id,
            FlagNotice.claimed_until == claimed.claimed_until,
        )
        .values(**values)
        .returning(FlagNotice.loan_id)
        .execution_options(synchronize_session=False)
    )
    with transaction():
        is_ours = db.session.scalar(settled) is not None
    if not is_ours:
        log.warning(
            "a claim ran out under way, and its mail may go twice", extra={"loan": claimed.loan_id}
        )
    return is_ours


def _mail(loan_id: UUID, claimed_until: datetime | None, attempts: int) -> _Mail:
    loan = db.session.get_one(Loan, loan_id, options=(with_flags,), populate_existing=True)
    admins = select(User.email).where(User.role == Role.ADMIN, User.is_active).order_by(User.id)
    return _Mail(
        loan_id=loan_id,
        claimed_until=claimed_until,
        attempts=attempts,
        subject=f"Loan {loan.id} was flagged",
        text=_text(loan),
        to=tuple(db.session.scalars(admins)),
    )


def _text(loan: Loan) -> str:
    """Neither reasons nor amounts, which are the customer's: mails lie about in many places."""
    findings = [f"- {flag.rule} ({flag.severity})" for flag in loan.fraud_flags]
    lines = (
        _news(loan.status),
        "",
        f"Loan: {loan.id}",
        *([f"External id: {_on_one_line(loan.external_id)}"] if loan.external_id else ()),
        f"Status: {loan.status}",
        "",
        *(("Open findings:", *findings) if findings else ("No finding is open any more.",)),
        "",
        f"Look at GET /loans/{loan.id}",
    )
    return "\n".join(lines) + "\n"


def _news(status: LoanStatus) -> str:
    if status == LoanStatus.FLAGGED:
        return "A loan was flagged and waits for a second look."
    return f"A loan was flagged; it has since been {SINCE[status]}."


def _on_one_line(text: str) -> str:
    """So that nothing an outsider wrote can pose as a line of the mail's own."""
    return " ".join(text.split())
