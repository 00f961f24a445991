"""Each fraud rule on both sides of its limit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.rules import fraud
from app.rules.fraud import RULES, Facts
from app.rules.limits import Limit

CALM = Facts(
    amount=Decimal("25000.00"),
    income=Decimal("60000.00"),
    applications=1,
    declared_before=None,
    email_domain=None,
    is_public_domain=False,
    is_disposable_domain=False,
    customers_of_domain=0,
    others_with_phone=0,
)
EVERYTHING: dict[str, Any] = {
    "applications": 4,
    "amount": Decimal("5000000.01"),
    "customers_of_domain": 11,
    "is_disposable_domain": True,
    "others_with_phone": 1,
    "declared_before": Decimal("1.00"),
}
LIMITS = {name: rule.limit for name, rule in RULES.items()}


def found(limits: dict[str, Limit] = LIMITS, **facts: Any) -> list[str]:
    return [finding.rule for finding in fraud.find(replace(CALM, **facts), limits)]


def test_there_are_these_rules_with_these_limits() -> None:
    hours = {"velocity": 24, "income-jump": 90 * 24}
    assert {name: (str(limit.threshold), limit.window) for name, limit in LIMITS.items()} == {
        name: (threshold, timedelta(hours=hours.get(name, 0)))
        for name, threshold in {
            "velocity": "3",
            "amount": "5000000.00",
            "email-domain": "10",
            "disposable-email": "0",
            "shared-phone": "0",
            "income-jump": "2",
        }.items()
    }


@pytest.mark.parametrize(
    ("rule", "at", "beyond"),
    [
        ("velocity", {"applications": 3}, {"applications": 4}),
        ("amount", {"amount": Decimal("5000000.00")}, {"amount": Decimal("5000000.01")}),
        ("email-domain", {"customers_of_domain": 10}, {"customers_of_domain": 11}),
        ("disposable-email", {}, {"is_disposable_domain": True}),
        ("shared-phone", {"others_with_phone": 0}, {"others_with_phone": 1}),
        (
            "income-jump",
            {"income": Decimal("2000.00"), "declared_before": Decimal("1000.00")},
            {"income": Decimal("2000.01"), "declared_before": Decimal("1000.00")},
        ),
    ],
)
def test_a_rule_fires_beyond_its_limit_and_not_at_it(
    rule: str, at: dict[str, Any], beyond: dict[str, Any]
) -> None:
    assert found(**at) == []
    assert found(**beyond) == [rule]


def test_a_first_declaration_is_no_jump() -> None:
    assert found(income=Decimal("999999999999.99"), declared_before=None) == []


def test_any_income_is_a_jump_from_none() -> None:
    assert found(income=Decimal("0.00"), declared_before=Decimal("0.00")) == []
    assert found(income=Decimal("0.01"), declared_before=Decimal("0.00")) == ["income-jump"]


def test_at_a_public_provider_thousands_may_share_a_domain() -> None:
    assert found(customers_of_domain=5_000, is_public_domain=True) == []


def test_a_rule_that_is_off_finds_nothing() -> None:
    assert found(**EVERYTHING) == list(RULES)
    for off in RULES:
        limits = {**LIMITS, off: replace(LIMITS[off], is_on=False)}
        assert found(limits, **EVERYTHING) == [name for name in RULES if name != off]


def test_only_the_rules_that_are_asked_answer() -> None:
    facts = replace(CALM, applications=4, amount=Decimal("5000000.01"))
    assert [each.rule for each in fraud.find(facts, LIMITS, {"amount"})] == ["amount"]


@pytest.mark.parametrize(
    ("window", "told"),
    [
        ({"minutes": 30}, "30m"),
        ({"minutes": 90}, "90m"),
        ({"hours": 24}, "24h"),
        ({"hours": 72}, "72h"),
        ({"hours": 73}, "73h"),
        ({"hours": 96}, "4d"),
        ({"hours": 100}, "100h"),
        ({"days": 90}, "90d"),
    ],
)
def test_a_window_is_told_as_it_is(window: dict[str, int], told: str) -> None:
    limit = replace(LIMITS["velocity"], window=timedelta(**window))
    finding = fraud.velocity(replace(CALM, applications=4), limit)
    assert finding is not None
    assert finding.evidence["window"] == told


def test_how_severe_each_finding_is() -> None:
    found = fraud.find(replace(CALM, **EVERYTHING), LIMITS)
    assert {each.rule: each.severity for each in found} == {
        "velocity": "medium",
        "amount": "high",
        "email-domain": "medium",
        "disposable-email": "high",
        "shared-phone": "medium",
        "income-jump": "medium",
    }


EXPLAINED: list[tuple[Callable[[Facts, Limit], Any], dict[str, Any], str, dict[str, Any]]] = [
    (
        fraud.velocity,
        {"applications": 4},
        "4 applications by this customer within 24h; more than 3 are unusual.",
        {"applications": 4, "threshold": "3", "window": "24h"},
    ),
    (
        fraud.amount,
        {"amount": Decimal("5000000.01")},
        "The amount of 5000000.01 is above 5000000.00.",
        {"amount": "5000000.01", "threshold": "5000000.00"},
    ),
    (
        fraud.email_domain,
        {"customers_of_domain": 11, "email_domain": "ring.example"},
        "11 customers have an e-mail address at ring.example; more than 10 are unusual for a "
        "domain that is no public mail provider.",
        {"domain": "ring.example", "customers": 11, "threshold": "10"},
    ),
    (
        fraud.disposable_email,
        {"is_disposable_domain": True, "email_domain": "mailinator.com"},
        "mailinator.com gives out throw-away e-mail addresses.",
        {"domain": "mailinator.com"},
    ),
    (
        fraud.shared_phone,
        {"others_with_phone": 1},
        "1 other customer has a phone of the same digits.",
        {"other_customers": 1, "threshold": "0"},
    ),
    (
        fraud.shared_phone,
        {"others_with_phone": 2},
        "2 other customers have a phone of the same digits.",
        {"other_customers": 2, "threshold": "0"},
    ),
    (
        fraud.income_jump,
        {"income": Decimal("2000.01"), "declared_before": Decimal("1000.00")},
        "The declared income of 2000.01 is more than 2 times the 1000.00 declared before, within "
        "90d.",
        {"income": "2000.01", "declared_before": "1000.00", "threshold": "2", "window": "90d"},
    ),
]


@pytest.mark.parametrize(("judge", "facts", "reason", "evidence"), EXPLAINED)
def test_a_finding_says_in_words_and_numbers_why(
    judge: Callable[[Facts, Limit], Any],
    facts: dict[str, Any],
    reason: str,
    evidence: dict[str, Any],
) -> None:
    name = judge.__name__.replace("_", "-")
    finding = judge(replace(CALM, **facts), LIMITS[name])
    assert (finding.rule, finding.reason, finding.evidence) == (name, reason, evidence)
