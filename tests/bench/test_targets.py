from dataclasses import dataclass

import pytest

from bench.targets import Target, at_least, p50_within, p99_within


@dataclass
class Found:
    p99_ms: float = 15.0
    ratio: float | None = 0.3
    p50_ratio: float | None = 5.0


@pytest.mark.parametrize("target", [at_least(0.3), p50_within(5), p99_within(15)], ids=str)
def test_a_figure_at_the_bound_meets_it(target: Target) -> None:
    assert target.verdict(Found()) == "met"


@pytest.mark.parametrize("target", [at_least(0.301), p50_within(4.9), p99_within(14.9)], ids=str)
def test_a_figure_beyond_the_bound_misses_it(target: Target) -> None:
    assert target.verdict(Found()) == "missed"


def test_what_was_not_measured_has_no_verdict() -> None:
    assert p50_within(5).verdict(Found(p50_ratio=None)) == ""


def test_a_target_says_what_it_bounds() -> None:
    targets = (at_least(0.3), p50_within(5), p99_within(15))
    assert [*map(str, targets)] == ["≥ 0.3", "p50 ≤ 5 times", "p99 ≤ 15 ms"]
