"""The review queue: what waits for a decision, and decisions on one application or on many."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.errors import DomainError, Forbidden
from app.models import Loan, LoanStatus
from app.services import decisions, loans
from app.services.actor import Actor
from app.services.pages import Page
from app.services.runs import run

WAITING = (LoanStatus.FLAGGED, LoanStatus.PENDING)
DECISIONS: Mapping[str, Callable[..., Loan]] = {
    "approve": decisions.approve,
    "reject": decisions.reject,
    "flag": decisions.flag,
    "clear-flags": decisions.clear_flags,
    "withdraw": decisions.withdraw,
    "activate": decisions.activate,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one application: its status now, or why it was refused."""

    ref: str
    status: LoanStatus | None = None
    refusal: DomainError | None = None


def queue(actor: Actor, *, page: int, page_size: int, cursor: str | None = None) -> Page[Any]:
    """Page through what is flagged or pending, the oldest first."""
    return loans.search(
        actor, page=page, page_size=page_size, cursor=cursor, status=WAITING, sort="oldest"
    )


def decide(actor: Actor, ref: str, decision: str, *, reason: str | None) -> Loan:
    """Take one of DECISIONS on one loan. Raises whatever that decision does."""
    return DECISIONS[decision](actor, ref, reason=reason)


def decide_each(
    actor: Actor, chosen: Mapping[str, str], decision: str, *, reason: str | None
) -> list[Outcome]:
    """Take one decision on each of the loans, a transaction each: one refused holds up no other.

    `chosen` names them by id, each with the entity tag that was decided on; `decision` is one of
    DECISIONS. Raises Forbidden where the actor may not do it at all.
    """
    return [
        _decided(replace(actor, if_match=tag), ref, decision, reason) for ref, tag in chosen.items()
    ]


def _decided(actor: Actor, ref: str, decision: str, reason: str | None) -> Outcome:
    try:
        return Outcome(ref, run(lambda: decide(actor, ref, decision, reason=reason)).status)
    except Forbidden:
        raise
    except DomainError as refusal:
        return Outcome(ref, refusal=refusal)
