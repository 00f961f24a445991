"""The risk score of an application, and how it comes about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

ACCEPTABLE_BELOW = Decimal("0.75")
AMOUNT_CEILING = 50_000
TERM_CEILING = 60
WEIGHTS = {
    "amount": Decimal("0.5"),
    "term_months": Decimal("0.3"),
    "expenses_to_income": Decimal("0.2"),
}
NONE, ONE = Fraction(0), Fraction(1)
# What a cent of the amount, a month and expenses as high as the income add to a score of _WHOLE.
_WHOLE = 100_000_00
_A_CENT = int(_WHOLE * WEIGHTS["amount"] / (AMOUNT_CEILING * 100))
_A_MONTH = int(_WHOLE * WEIGHTS["term_months"] / TERM_CEILING)
_ALL_INCOME = int(_WHOLE * WEIGHTS["expenses_to_income"])
_EXACT_WEIGHTS = {name: Fraction(weight) for name, weight in WEIGHTS.items()}

Terms = Mapping[str, tuple[Fraction, Fraction]]


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


def score(*, amount: Decimal, term_months: int, income: Decimal, expenses: Decimal) -> Decimal:
    """Score an application: the lender's formula, exact until its one rounding.

    0.5·min(amount/50000, 1) + 0.3·min(term/60, 1) + 0.2·expenses/(income+1), clamped to 0..1 and
    rounded half-even to two decimals. It is computed on whole cents over one denominator, in a
    tenth of the time that fractions take; `assess` says the same by fractions.
    """
    basis = _cents(income) + 100
    of_terms = _A_CENT * min(_cents(amount), AMOUNT_CEILING * 100)
    of_terms += _A_MONTH * min(term_months, TERM_CEILING)
    whole = _WHOLE * basis
    exact = min(of_terms * basis + _ALL_INCOME * _cents(expenses), whole)
    hundredths, rest = divmod(exact * 100, whole)
    is_up = rest * 2 > whole or (rest * 2 == whole and hundredths % 2 == 1)
    return Decimal(hundredths + is_up).scaleb(-2)


def assess(*, amount: Decimal, term_months: int, income: Decimal, expenses: Decimal) -> Assessment:
    """The same score with the factors behind it."""
    terms = _terms(amount, term_months, income, expenses)
    factors = tuple(
        Factor(name, _rounded(value, 12), WEIGHTS[name], _rounded(contribution, 12))
        for name, (value, contribution) in terms.items()
    )
    return Assessment(
        score=_summed_up(terms),
        unrounded=sum((factor.contribution for factor in factors), Decimal(0)),
        factors=factors,
    )


def acceptable(risk_score: Decimal) -> bool:
    """Whether a loan of this score may be approved at all."""
    return risk_score < ACCEPTABLE_BELOW


def _cents(money: Decimal) -> int:
    return int(money.scaleb(2))


def _terms(amount: Decimal, term_months: int, income: Decimal, expenses: Decimal) -> Terms:
    """By factor, its input and what it contributes."""
    inputs = {
        "amount": min(Fraction(amount) / AMOUNT_CEILING, ONE),
        "term_months": min(Fraction(term_months, TERM_CEILING), ONE),
        "expenses_to_income": Fraction(expenses) / (Fraction(income) + 1),
    }
    return {name: (value, value * _EXACT_WEIGHTS[name]) for name, value in inputs.items()}


def _summed_up(terms: Terms) -> Decimal:
    exact = sum((contribution for _, contribution in terms.values()), NONE)
    return _rounded(min(max(exact, NONE), ONE), 2)


def _rounded(value: Fraction, places: int) -> Decimal:
    """Half-even, exact: Fraction's own rounding never passes through a binary float."""
    return Decimal(round(value * 10**places)).scaleb(-places)
