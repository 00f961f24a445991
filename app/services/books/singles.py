"""What happens once is booked once. Unique indexes see to it, as long as they are there."""

from typing import Any

from sqlalchemy import func, literal, select, union_all

from app.models import Journal, Payment
from app.services.books.checks import Differing, check, words


@check("singles", reads="journals", record="", found="stands {} times", expected="at most {}")
def singles() -> Differing:
    """A loan is disbursed, a payment booked, and either undone, once."""
    told = (
        _repeated("disbursement of loan", Journal.loan_id),
        _repeated("journal of payment", Journal.payment_id),
        _repeated("reversal of journal", Journal.reverses),
        _repeated("reversal of payment", Payment.reverses),
    )
    repeated = union_all(*told).subquery()
    return select(repeated.c.id, repeated.c.found, repeated.c.expected)


def _repeated(told: str, reference: Any) -> Differing:
    count = func.count()
    return (
        select(
            words(told, reference).label("id"), count.label("found"), literal(1).label("expected")
        )
        .where(reference.is_not(None))
        .group_by(reference)
        .having(count > 1)
    )
