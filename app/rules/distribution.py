"""How a payment is spread over what is owed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """What is still owed of one loan, since `taken_at`."""

    loan_id: UUID
    taken_at: datetime
    outstanding: Decimal

    @property
    def age(self) -> tuple[datetime, UUID]:
        """The oldest debt is the least; of two from the same instant, the smaller id is."""
        return self.taken_at, self.loan_id


@dataclass(frozen=True, slots=True)
class Share:
    """What one debt gets of a payment."""

    debt: Debt
    amount: Decimal


def spread(total: Decimal, debts: Sequence[Debt]) -> list[Share]:
    """Spread `total` over the debts, the oldest first, each share positive and at most its debt.

    The shares sum to `total`. Raises ValueError for a total that is not positive or exceeds them.
    """
    if not NOTHING < total <= sum(debt.outstanding for debt in debts):
        raise ValueError(f"{total} cannot be spread over these debts")
    shares, left = [], total
    for debt in sorted(debts, key=lambda debt: debt.age):
        amount = min(left, debt.outstanding)
        if amount > NOTHING:
            shares.append(Share(debt, amount))
            left -= amount
    return shares
