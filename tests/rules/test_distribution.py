"""A payment goes to the oldest debt first, to the cent, and never beyond what is owed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.rules.distribution import Debt, Share, spread

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
CENT = Decimal("0.01")
UNHURRIED = settings(deadline=None)
DEBTS = st.lists(
    st.builds(
        Debt,
        loan_id=st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number)),
        # Few instants, so that debts of one age are common.
        taken_at=st.integers(0, 3).map(lambda days: BEGINNING + timedelta(days=days)),
        outstanding=st.integers(0, 99_999_999_999_999).map(lambda cents: cents * CENT),
    ),
    max_size=8,
    unique_by=lambda debt: debt.loan_id,
)


@st.composite
def payments(draw: st.DrawFn) -> tuple[Decimal, list[Debt]]:
    """An amount that the debts can take, and the debts."""
    debts = draw(DEBTS.filter(lambda debts: owed(debts) > 0))
    cents = draw(st.integers(1, int(owed(debts) / CENT)))
    return cents * CENT, debts


def owed(debts: list[Debt]) -> Decimal:
    return sum((debt.outstanding for debt in debts), Decimal(0))


def debt(number: int, outstanding: str, *, days: int = 0) -> Debt:
    taken_at = BEGINNING + timedelta(days=days)
    return Debt(loan_id=UUID(int=number), taken_at=taken_at, outstanding=Decimal(outstanding))


@UNHURRIED
@given(payments())
def test_the_shares_sum_to_the_total(payment: tuple[Decimal, list[Debt]]) -> None:
    total, debts = payment
    assert sum(share.amount for share in spread(total, debts)) == total


@UNHURRIED
@given(payments())
def test_a_share_is_positive_and_at_most_its_debt(payment: tuple[Decimal, list[Debt]]) -> None:
    assert all(0 < share.amount <= share.debt.outstanding for share in spread(*payment))


@UNHURRIED
@given(payments())
def test_a_debt_gets_one_share_at_most(payment: tuple[Decimal, list[Debt]]) -> None:
    served = [share.debt for share in spread(*payment)]
    assert len(served) == len({each.loan_id for each in served})


@UNHURRIED
@given(payments())
def test_only_the_last_share_may_leave_something_owed(payment: tuple[Decimal, list[Debt]]) -> None:
    *others, _ = spread(*payment)
    assert all(share.amount == share.debt.outstanding for share in others)


@UNHURRIED
@given(payments())
def test_no_older_debt_waits_behind_a_younger_one(payment: tuple[Decimal, list[Debt]]) -> None:
    total, debts = payment
    shares = spread(total, debts)
    served = [share.debt.loan_id for share in shares]
    by_age = sorted(debts, key=lambda each: (each.taken_at, each.loan_id))
    assert served == [each.loan_id for each in by_age if each.outstanding > 0][: len(served)]


@UNHURRIED
@given(payments(), st.randoms())
def test_the_order_in_which_debts_are_given_does_not_matter(
    payment: tuple[Decimal, list[Debt]], random: Random
) -> None:
    total, debts = payment
    shuffled = random.sample(debts, len(debts))
    assert spread(total, shuffled) == spread(total, debts)


@UNHURRIED
@given(DEBTS, st.integers(1, 10**16).map(lambda cents: cents * CENT))
def test_more_than_is_owed_is_refused(debts: list[Debt], excess: Decimal) -> None:
    with pytest.raises(ValueError, match="cannot be spread"):
        spread(owed(debts) + excess, debts)


@UNHURRIED
@given(DEBTS, st.integers(-(10**16), 0).map(lambda cents: cents * CENT))
def test_nothing_and_less_than_nothing_are_refused(debts: list[Debt], total: Decimal) -> None:
    with pytest.raises(ValueError, match="cannot be spread"):
        spread(total, debts)


def test_the_older_debt_comes_first() -> None:
    younger, older = debt(1, "5.00", days=1), debt(2, "5.00")
    assert spread(Decimal("7.00"), [younger, older]) == [
        Share(older, Decimal("5.00")),
        Share(younger, Decimal("2.00")),
    ]


def test_of_two_debts_of_one_instant_the_smaller_id_comes_first() -> None:
    larger, smaller = debt(2, "5.00"), debt(1, "5.00")
    assert spread(Decimal("0.01"), [larger, smaller]) == [Share(smaller, CENT)]


def test_the_whole_debt_is_taken_to_the_last_cent() -> None:
    debts = [debt(1, "0.01"), debt(2, "999999999999.99")]
    assert [share.amount for share in spread(Decimal("1000000000000.00"), debts)] == [
        Decimal("0.01"),
        Decimal("999999999999.99"),
    ]
