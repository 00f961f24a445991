"""From the runs to the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.wrk import Measured

HEAD = ("call", "requests/s", "p50 ms", "p99 ms", "CPU ms", "ratio", "target", "")


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of a call's rounds. `ratio` is the median of each round's own ratio to `base`."""

    name: str
    rate: float
    p50_ms: float
    p99_ms: float
    load_cores: float
    cpu_ms: float
    ratio: float | None = None
    base: str = "bare"
    target: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty without one."""
        if self.target is None or self.ratio is None:
            return ""
        return "met" if self.ratio >= self.target else "missed"

    def as_json(self) -> Mapping[str, Any]:
        names = ("rate", "p50_ms", "p99_ms", "cpu_ms", "load_cores")
        figures: dict[str, Any] = {name: round(getattr(self, name), 3) for name in names}
        if self.ratio is None:
            return figures
        return figures | {
            "ratio": round(self.ratio, 4),
            "base": self.base,
            "target": self.target,
            "verdict": self.verdict,
        }


def summed_up(
    name: str,
    runs: Sequence[Measured],
    bases: Sequence[float] = (),
    *,
    base: str = "bare",
    target: float | None = None,
) -> Row:
    """One row; `bases` are the rates measured beside each of the runs."""
    ratios = [run.rate / rate for run, rate in zip(runs, bases, strict=True)] if bases else []
    return Row(
        name=name,
        rate=median(run.rate for run in runs),
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        load_cores=max(run.load_cores for run in runs),
        cpu_ms=median(run.cpu_ms for run in runs),
        ratio=median(ratios) if ratios else None,
        base=base,
        target=target,
    )


def formatted(rows: Sequence[Row]) -> str:
    """The table as text, figures aligned; it is Markdown too."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(_aligned(line, widths)) + " |" for line in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    if row.base != "bare" and ratio:
        ratio += f" of {row.base}"
    target = "" if row.target is None else f"≥ {row.target:g}"
    rate = f"{row.rate:,.0f}" if row.rate >= 100 else f"{row.rate:,.1f}"
    times = (f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", f"{row.cpu_ms:.2f}")
    return (row.name, rate, *times, ratio, target, row.verdict)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
