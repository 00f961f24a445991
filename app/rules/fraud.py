"""Fraud: what makes an application worth a second look, each rule a pure function of facts."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from app.rules.limits import Limit

Severity = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules may know of an application, as of the moment they are asked.

    `applications` counts the customer's own within velocity's window, this one included;
    `customers_of_domain` those with an e-mail address of exactly that domain, this one included;
    `others_with_phone` the other customers whose phone has the same digits. `declared_before` is
    the least that the customer declared before: on the application before this one, if that is
    within the window, and on this one, if it was edited since.
    """

    amount: Decimal
    income: Decimal
    applications: int
    declared_before: Decimal | None
    email_domain: str | None
    is_public_domain: bool
    is_disposable_domain: bool
    customers_of_domain: int
    others_with_phone: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Why an application needs a second look, in words, with the numbers that say so."""

    rule: str
    reason: str
    severity: Severity
    evidence: Mapping[str, str | int]


Judgement = Callable[[Facts, Limit], Finding | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A judgement, its limit where the settings say nothing, and the fields that it reads.

    `takes` names what of the limit can be set.
    """

    name: str
    judge: Judgement
    limit: Limit
    takes: frozenset[str]
    reads: frozenset[str]


RULES: dict[str, Rule] = {}


def rule(
    *,
    reads: Collection[str] = (),
    threshold: Decimal | None = None,
    window: timedelta | None = None,
) -> Callable[[Judgement], Judgement]:
    """Put a judgement into the registry, under its own name with hyphens."""
    given = {"threshold": threshold, "window": window}
    known = {name: value for name, value in given.items() if value is not None}

    def register(judge: Judgement) -> Judgement:
        name = judge.__name__.replace("_", "-")
        limit = Limit(**known)  # type: ignore[arg-type]
        RULES[name] = Rule(name, judge, limit, frozenset(known), frozenset(reads))
        return judge

    return register


def find(
    facts: Facts, limits: Mapping[str, Limit], asked: Collection[str] | None = None
) -> Iterator[Finding]:
    """What the rules that are on find; of them only those `asked`, if any are named."""
    for name, each in RULES.items():
        if limits[name].is_on and (asked is None or name in asked):
            finding = each.judge(facts, limits[name])
            if finding is not None:
                yield finding


@rule(threshold=Decimal(3), window=timedelta(hours=24))
def velocity(facts: Facts, limit: Limit) -> Finding | None:
    """More than so many applications by one customer within the window."""
    if facts.applications <= limit.threshold:
        return None
    return Finding(
        "velocity",
        f"{facts.applications} applications by this customer within {_spoken(limit.window)}; "
        f"more than {limit.threshold} are unusual.",
        "medium",
        {
            "applications": facts.applications,
            "threshold": str(limit.threshold),
            "window": _spoken(limit.window),
        },
    )


@rule(reads=("amount",), threshold=Decimal("5000000.00"))
def amount(facts: Facts, limit: Limit) -> Finding | None:
    """A larger amount than is lent without a second look."""
    if facts.amount <= limit.threshold:
        return None
    return Finding(
        "amount",
        f"The amount of {facts.amount:.2f} is above {limit.threshold:.2f}.",
        "high",
        {"amount": f"{facts.amount:.2f}", "threshold": f"{limit.threshold:.2f}"},
    )


@rule(reads=("email",), threshold=Decimal(10))
def email_domain(facts: Facts, limit: Limit) -> Finding | None:
    """A domain that more customers share than one household or firm explains."""
    if facts.is_public_domain or facts.customers_of_domain <= limit.threshold:
        return None
    return Finding(
        "email-domain",
        f"{facts.customers_of_domain} customers have an e-mail address at {facts.email_domain}; "
        f"more than {limit.threshold} are unusual for a domain that is no public mail provider.",
        "medium",
        {
            "domain": str(facts.email_domain),
            "customers": facts.customers_of_domain,
            "threshold": str(limit.threshold),
        },
    )


@rule(reads=("email",))
def disposable_email(facts: Facts, _: Limit) -> Finding | None:
    """An address made to be thrown away."""
    if not facts.is_disposable_domain:
        return None
    return Finding(
        "disposable-email",
        f"{facts.email_domain} gives out throw-away e-mail addresses.",
        "high",
        {"domain": str(facts.email_domain)},
    )


@rule(reads=("phone",), threshold=Decimal(0))
def shared_phone(facts: Facts, limit: Limit) -> Finding | None:
    """One phone for several customers, however each has written it."""
    if facts.others_with_phone <= limit.threshold:
        return None
    others = facts.others_with_phone
    return Finding(
        "shared-phone",
        f"{others} other {'customer has' if others == 1 else 'customers have'} a phone of the same "
        "digits.",
        "medium",
        {"other_customers": others, "threshold": str(limit.threshold)},
    )


@rule(reads=("income",), threshold=Decimal(2), window=timedelta(days=90))
def income_jump(facts: Facts, limit: Limit) -> Finding | None:
    """An income of more than so many times what the customer has declared before."""
    before = facts.declared_before
    if before is None or facts.income <= limit.threshold * before:
        return None
    return Finding(
        "income-jump",
        f"The declared income of {facts.income:.2f} is more than {limit.threshold} times the "
        f"{before:.2f} declared before, within {_spoken(limit.window)}.",
        "medium",
        {
            "income": f"{facts.income:.2f}",
            "declared_before": f"{before:.2f}",
            "threshold": str(limit.threshold),
            "window": _spoken(limit.window),
        },
    )


def _spoken(window: timedelta) -> str:
    """A window as the settings write it, in days from four days on."""
    minutes = window // timedelta(minutes=1)
    if minutes % 60:
        return f"{minutes}m"
    hours = minutes // 60
    return f"{hours}h" if hours % 24 or hours <= 72 else f"{hours // 24}d"
