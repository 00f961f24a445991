"""The risk score of an application, and how it comes about."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

ACCEPTABLE_BELOW = Decimal("0.75")
AMOUNT_CEILING = 50_000
TERM_CEILING = 60


@dataclass(frozen=True, slots=True)
class Factor:
    """One term of the score: `input` is the normalized figure that `weight` multiplies.

    Figures are shown to twelve decimals; the score itself is computed on exact fractions.
    """

    name: str
    input: Decimal
    weight: Decimal
    contribution: Decimal


@dataclass(frozen=True, slots=True)
class Assessment:
    """A score with the factors behind it; `unrounded` is the sum of their contributions."""

    score: Decimal
    unrounded: Decimal
    factors: Sequence[Factor]


def assess(*, amount: Decimal, term_months: int, income: Decimal, expenses: Decimal) -> Assessment:
    """Score an application: the lender's formula, exact until its one rounding.

    0.5·min(amount/50000, 1) + 0.3·min(term/60, 1) + 0.2·expenses/(income+1), clamped to 0..1 and
    rounded half-even to two decimals.
    """
    terms = (
        ("amount", min(Fraction(amount) / AMOUNT_CEILING, Fraction(1)), Decimal("0.5")),
        ("term_months", min(Fraction(term_months, TERM_CEILING), Fraction(1)), Decimal("0.3")),
        ("expenses_to_income", Fraction(expenses) / (Fraction(income) + 1), Decimal("0.2")),
    )
    exact = sum((value * Fraction(weight) for _, value, weight in terms), Fraction(0))
    factors = tuple(
        Factor(name, _rounded(value, 12), weight, _rounded(value * Fraction(weight), 12))
        for name, value, weight in terms
    )
    return Assessment(
        score=_rounded(min(max(exact, Fraction(0)), Fraction(1)), 2),
        unrounded=sum((factor.contribution for factor in factors), Decimal(0)),
        factors=factors,
    )


def acceptable(risk_score: Decimal) -> bool:
    """Whether a loan of this score may be approved at all."""
    return risk_score < ACCEPTABLE_BELOW


def _rounded(value: Fraction, places: int) -> Decimal:
    """Half-even, exact: Fraction's own rounding never passes through a binary float."""
    return Decimal(round(value * 10**places)).scaleb(-places)
