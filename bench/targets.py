"""What a line of the table has to reach."""

from dataclasses import dataclass
from typing import Literal, Protocol


class Figures(Protocol):
    """What a target may bound; a ratio is None where nothing stands beside the call."""

    @property
    def p99_ms(self) -> float: ...
    @property
    def ratio(self) -> float | None: ...
    @property
    def p50_ratio(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """The least that a figure may be, or the most."""

    figure: Literal["ratio", "p50_ratio", "p99_ms"]
    least: float = float("-inf")
    most: float = float("inf")

    def verdict(self, figures: Figures) -> str:
        """ "met" or "missed"; empty where the figure was not measured."""
        value: float | None = getattr(figures, self.figure)
        if value is None:
            return ""
        return "met" if self.least <= value <= self.most else "missed"

    def __str__(self) -> str:
        match self.figure:
            case "ratio":
                return f"≥ {self.least:g}"
            case "p50_ratio":
                return f"p50 ≤ {self.most:g} times"
            case "p99_ms":
                return f"p99 ≤ {self.most:g} ms"


def at_least(ratio: float) -> Target:
    """Of the rate of what stands beside."""
    return Target("ratio", least=ratio)


def p50_within(times: float) -> Target:
    """Of the median time of what stands beside."""
    return Target("p50_ratio", most=times)


def p99_within(milliseconds: float) -> Target:
    return Target("p99_ms", most=milliseconds)
