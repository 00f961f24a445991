"""What becomes of an application: its steps, and what is owed of it on the last day."""

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


class Figures(NamedTuple):
    """What was applied for. Money in cents, the score in hundredths."""

    purpose: str
    amount: int
    term_months: int
    income: int
    expenses: int
    score: int


class Life(NamedTuple):
    """Statuses with the moment each began, and what is left to repay.

    `debt` is what counts against a line of credit: the rest of a loan, or all of an application.
    """

    steps: tuple[tuple[str, int], ...]
    debt: int
    taken_at: int | None = None
    outstanding: int = 0

    @property
    def status(self) -> str:
        return self.steps[-1][0]


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
    """By equal instalments, over the whole term or faster."""
    taken_at = steps[-1][1]
    duration = int(figures.term_months * MONTH_MS * (0.3 + 0.7 * random.random()))
    if taken_at + duration < until:
        return Life((*steps, ("PAID", taken_at + duration)), 0, taken_at)
    instalments = figures.term_months * (until - taken_at) // (duration + 1)
    rest = figures.amount - figures.amount * instalments // figures.term_months
    return Life(steps, rest, taken_at, rest)
