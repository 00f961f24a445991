"""What other limits of the fraud rules would have found in the past. Nothing is written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from app import config
from app.db import db, snapshot
from app.errors import Invalid
from app.models import Loan
from app.rules import fraud
from app.rules.fraud import RULES
from app.rules.limits import changed
from app.services import past_facts
from app.services.pages import within_days
from app.services.past_facts import Limits

Reasons = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that finds something newly, or no longer, and what it says or said."""

    rule: str
    is_new: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """One application with the reasons by rule: on its record, and under two sets of limits.

    On record is what the rules found when it was made or edited, also where it was cleared since.
    """

    loan_id: UUID
    external_id: str | None
    applied_at: datetime
    on_record: Reasons
    configured: Reasons
    tried: Reasons

    def changes(self, *, from_record: bool) -> list[Change]:
        """What the limits tried change of what is configured, or of what is on record."""
        before = self.on_record if from_record else self.configured
        return [
            Change(rule, rule in self.tried, self.tried.get(rule) or before[rule])
            for rule in RULES
            if (rule in before) != (rule in self.tried)
        ]


def count(since: date) -> int:
    """How many applications there are to replay."""
    made = within_days(Loan.created_at, since, None)
    return db.session.scalar(select(func.count()).select_from(Loan).where(*made)) or 0


def replay(since: date, tried: Limits) -> Iterator[Replayed]:
    """Ask the rules about every application made since that day, oldest first, in one snapshot.

    They are told what was so when it was made: what it asked for and declared, what had been
    applied for, who was a customer. Of e-mail addresses and phones only the present ones are known.
    """
    asked = (config.current().fraud, tried)
    with snapshot() as view, view.execute(past_facts.since(since, asked)) as rows:
        for row in rows:
            recorded = row.on_record or {}
            configured, found = (_reasons(row, number, each) for number, each in enumerate(asked))
            yield Replayed(
                loan_id=row.id,
                external_id=row.external_id,
                applied_at=row.created_at,
                on_record={rule: recorded[rule] for rule in RULES if rule in recorded},
                configured=configured,
                tried=found,
            )


def _reasons(row: Row[Any], number: int, limits: Limits) -> Reasons:
    found = fraud.find(past_facts.told(row, number), limits)
    return {finding.rule: finding.reason for finding in found}


def limits_with(changes: Iterable[str]) -> Limits:
    """The configured limits after changes like "velocity.threshold=5" or "amount=off".

    Raises Invalid, in words for whoever wrote them.
    """
    limits = dict(config.current().fraud)
    for change in changes:
        name = change.partition("=")[0].partition(".")[0]
        told = change.removeprefix(name).lstrip(".=")
        if name not in RULES:
            raise Invalid({change: [f"There is no rule {name!r}; there are {', '.join(RULES)}."]})
        try:
            limits[name] = changed(limits[name], told, takes=RULES[name].takes)
        except ValueError as error:
            raise Invalid({change: [str(error)]}) from None
    return limits
