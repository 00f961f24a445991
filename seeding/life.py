"""What becomes of an application: its steps, and what is owed of it on the last day."""

from itertools import pairwise
from random import Random
from typing import NamedTuple

from seeding.ids import DAY_MS

MONTH_MS = DAY_MS * 365 // 12
TOO_RISKY = 75
# Shares of all applications, one threshold above the other.
LEFT_FLAGGED = 0.01
LEFT_PENDING = LEFT_FLAGGED + 0.03
WITHDRAWN = LEFT_PENDING + 0.04
REJECTED = WITHDRAWN + 0.10
CANCELLED = REJECTED + 0.01
LEFT_APPROVED = CANCELLED + 0.01
MOST_PAYMENTS = 3


class Figures(NamedTuple):
    """What was applied for. Money in cents, the score in hundredths."""

    purpose: str
    amount: int
    term_months: int
    income: int
    expenses: int
    score: int


class Life(NamedTuple):
    """Statuses with the moment each began, payments likewise, and what is left to repay.

    `debt` is what counts against a line of credit: the rest of a loan, or all of an application.
    """

    steps: tuple[tuple[str, int], ...]
    debt: int
    taken_at: int | None = None
    outstanding: int = 0
    payments: tuple[tuple[int, int], ...] = ()

    @property
    def status(self) -> str:
        return self.steps[-1][0]

    @property
    def changed_at(self) -> int:
        return max([self.steps[-1][1], *(at for at, _ in self.payments[-1:])])

    @property
    def version(self) -> int:
        """Each step and each payment is a change; the payment that closes a loan is both."""
        return len(self.steps) + len(self.payments) - (self.status == "PAID")


def live(random: Random, applied_at: int, until: int, figures: Figures) -> Life:
    """A life as they go, of which nothing happens at `until` or later."""
    fate = random.random()
    applied = ("PENDING", applied_at)
    decided_at = applied_at + int((0.2 + 8 * random.random()) * DAY_MS)
    if decided_at >= until or fate < LEFT_PENDING:
        if fate >= LEFT_FLAGGED:
            return Life((applied,), figures.amount)
        flagged_at = (applied_at + min(decided_at, until)) // 2
        return Life((applied, ("FLAGGED", flagged_at)), figures.amount)
    if fate < WITHDRAWN:
        return Life((applied, ("WITHDRAWN", decided_at)), 0)
    if fate < REJECTED or figures.score >= TOO_RISKY:
        return Life((applied, ("REJECTED", decided_at)), 0)
    approved = (applied, ("APPROVED", decided_at))
    taken_at = decided_at + int((0.1 + 5 * random.random()) * DAY_MS)
    if taken_at >= until or CANCELLED <= fate < LEFT_APPROVED:
        return Life(approved, figures.amount)
    if fate < CANCELLED:
        return Life((*approved, ("WITHDRAWN", taken_at)), 0)
    return _repay(random, (*approved, ("ACTIVE", taken_at)), until, figures)


def _repay(
    random: Random, steps: tuple[tuple[str, int], ...], until: int, figures: Figures
) -> Life:
    """By equal instalments, over the whole term or faster; a few of them at a time."""
    taken_at = steps[-1][1]
    duration = int(figures.term_months * MONTH_MS * (0.3 + 0.7 * random.random()))
    is_paid = taken_at + duration < until
    instalments = figures.term_months
    if not is_paid:
        instalments = instalments * (until - taken_at) // (duration + 1)
    payments = _payments(random, taken_at, duration, instalments, figures)
    rest = figures.amount - sum(amount for _, amount in payments)
    if is_paid:
        steps = (*steps, ("PAID", payments[-1][0]))
    return Life(steps, rest, taken_at, rest, payments)


def _payments(
    random: Random, taken_at: int, duration: int, instalments: int, figures: Figures
) -> tuple[tuple[int, int], ...]:
    """So many instalments in as many payments as the borrower cared to make."""
    term = figures.term_months
    number = min(instalments, 1 + int(random.random() * MOST_PAYMENTS))
    by = [instalments * payment // number for payment in range(number + 1)] if number else []
    return tuple(
        (
            taken_at + duration * last // term,
            figures.amount * last // term - figures.amount * first // term,
        )
        for first, last in pairwise(by)
    )
