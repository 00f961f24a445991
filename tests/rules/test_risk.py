"""The risk score, by the lender's formula."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import risk

CENTS = st.integers(0, 99_999_999_999_999).map(lambda cents: Decimal(cents).scaleb(-2))


def score(amount: str, term_months: int, income: str, expenses: str) -> str:
    scored: dict[str, Any] = {
        "amount": Decimal(amount),
        "term_months": term_months,
        "income": Decimal(income),
        "expenses": Decimal(expenses),
    }
    assert risk.score(**scored) == risk.assess(**scored).score
    return str(risk.score(**scored))


def in_whole_numbers(amount: int, term_months: int, income: int, expenses: int) -> Decimal:
    """The formula over one common denominator, money in cents, divided only at the end."""
    owed = income + 100
    denominator = 100_000_00 * owed
    numerator = min(amount, 50_000_00) * owed
    numerator += min(term_months, 60) * 50_000 * owed
    numerator += 20_000_00 * expenses
    hundredths, rest = divmod(min(numerator, denominator) * 100, denominator)
    is_above_half = rest * 2 > denominator or (rest * 2 == denominator and hundredths % 2)
    return Decimal(hundredths + bool(is_above_half)) / 100


@pytest.mark.parametrize(
    ("amount", "term_months", "income", "expenses", "expected"),
    [
        ("25000", 36, "60000", "20000", "0.50"),
        ("50000", 60, "60000", "0", "0.80"),
        ("500000", 600, "60000", "0", "0.80"),
        ("0.01", 1, "999999999999.99", "0", "0.01"),
        ("50000", 60, "0", "999999999999.99", "1.00"),
        ("50000", 50, "0", "0", "0.75"),
        ("49000", 50, "99999", "0", "0.74"),
    ],
)
def test_the_score_follows_the_formula(
    amount: str, term_months: int, income: str, expenses: str, expected: str
) -> None:
    assert score(amount, term_months, income, expenses) == expected


@pytest.mark.parametrize(
    ("amount", "expected"), [("500", "0.30"), ("1500", "0.32"), ("2500", "0.32"), ("3500", "0.34")]
)
def test_a_tie_goes_to_the_even_hundredth(amount: str, expected: str) -> None:
    """The full term's 0.3 and amount/100000: 0.305, 0.315, 0.325, 0.335."""
    assert score(amount, 60, "60000", "0") == expected


@given(amount=CENTS, term_months=st.integers(1, 600), income=CENTS, expenses=CENTS)
def test_the_score_is_the_exact_sum_rounded_once(
    amount: Decimal, term_months: int, income: Decimal, expenses: Decimal
) -> None:
    asked = {"amount": amount, "income": income, "expenses": expenses}
    expected = in_whole_numbers(
        int(amount * 100), term_months, int(income * 100), int(expenses * 100)
    )
    assert risk.score(term_months=term_months, **asked) == expected
    assert risk.assess(term_months=term_months, **asked).score == expected


@given(amount=CENTS, term_months=st.integers(1, 600), income=CENTS, expenses=CENTS)
def test_the_contributions_explain_the_score(
    amount: Decimal, term_months: int, income: Decimal, expenses: Decimal
) -> None:
    found = risk.assess(amount=amount, term_months=term_months, income=income, expenses=expenses)
    assert sum(factor.contribution for factor in found.factors) == found.unrounded
    assert abs(min(found.unrounded, Decimal(1)) - found.score) <= Decimal("0.005000000002")
    for factor in found.factors:
        assert abs(factor.input * factor.weight - factor.contribution) <= Decimal("1e-12")


@pytest.mark.parametrize(
    ("value", "acceptable"), [("0.74", True), ("0.75", False), ("1.00", False)]
)
def test_three_quarters_is_too_risky(value: str, acceptable: bool) -> None:
    assert risk.acceptable(Decimal(value)) is acceptable
