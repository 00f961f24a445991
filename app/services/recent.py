"""The newest applications in figures: what the tallies cannot tell, at a cost that is bounded.

How risk is spread, and which rules found something, is in the loans and flags alone. Of so many as
NEWEST it is read at each asking, exactly; of a million it could not be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    union_all,
)

from app.models import FraudFlag, Loan
from app.reading import Reading
from app.services.actor import Actor
from app.services.pages import start_of

NEWEST = 5_000
# So wide that the score from which on nothing is approved begins one.
BAND = Decimal("0.05")
BANDS = 20


@dataclass(frozen=True, slots=True)
class Band:
    """How many scores lie from `least` up to `below`; the last band has 1.00, too."""

    least: Decimal
    below: Decimal
    number: int


@dataclass(frozen=True, slots=True)
class Recent:
    """The newest applications of a range of days, NEWEST at most, and what was found in them.

    `findings` counts by rule, the most frequent first, whether they were answered or not.
    """

    number: int
    bands: Sequence[Band]
    findings: Sequence[tuple[str, int]]


def newest(actor: Actor, *, first: date | None = None, last: date | None = None) -> Recent:
    """Sum up the newest applications made from `first` to `last`, whole UTC days. Admins only."""
    actor.must_be_admin()  # who sees every loan: no need of visible_loans
    bounds: dict[str, Any] = {}
    if first is not None:
        bounds["since"] = start_of(first)
    if last is not None and last < date.max:
        bounds["until"] = start_of(last + timedelta(days=1))
    # Planned for these values: a range of long ago begins elsewhere in the index.
    rows = _figures(frozenset(bounds)).rows(bounds, is_prepared=False)
    scored = {int(row.name): row.number for row in rows if row.subject == "risk"}
    found = [(row.name, row.number) for row in rows if row.subject == "rule"]
    bands = [Band(at * BAND, (at + 1) * BAND, scored.get(at, 0)) for at in range(BANDS)]
    by_number = sorted(found, key=lambda each: (-each[1], each[0]))
    return Recent(sum(scored.values()), bands, by_number)


@cache
def _figures(names: frozenset[str]) -> Reading:
    loans = _newest(names)
    band = func.least(func.floor(loans.c.risk_score / literal_column(str(BAND))), BANDS - 1)
    risk = _counted("risk", cast(cast(band, Integer), String)).select_from(loans)
    rules = _counted("rule", FraudFlag.rule).join(loans, loans.c.id == FraudFlag.loan_id)
    lines = union_all(risk, rules).subquery()
    return Reading(select(*lines.c))


def _counted(subject: str, name: Any) -> Select[*tuple[Any, ...]]:
    of = literal_column(f"'{subject}'", String).label("subject")
    return select(of, name.label("name"), func.count().label("number")).group_by(name)


def _newest(names: frozenset[str]) -> CTE:
    at = Loan.created_at
    query = select(Loan.id, Loan.risk_score).order_by(at.desc(), Loan.id.desc())
    if "since" in names:
        query = query.where(at >= bindparam("since", type_=at.type))
    if "until" in names:
        query = query.where(at < bindparam("until", type_=at.type))
    return query.limit(literal_column(str(NEWEST))).cte("newest")
