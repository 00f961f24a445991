"""From the runs to the table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from bench.targets import Target
from bench.wrk import Measured

HEAD = ("call", "clients", "requests/s", "p50 ms", "p99 ms", "CPU ms", "ratio", "target", "")


class Beside(NamedTuple):
    """What was measured beside a run. `p50_ms` is None for what is no call."""

    rate: float
    p50_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of a call's rounds. The ratios are medians of each round's own, to `base`."""

    name: str
    clients: int
    rate: float
    p50_ms: float
    p99_ms: float
    load_cores: float
    cpu_ms: float
    ratio: float | None = None
    p50_ratio: float | None = None
    base: str = "bare"
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met; empty without one."""
        return self.target.verdict(self) if self.target else ""

    def as_json(self) -> Mapping[str, Any]:
        names = ("rate", "p50_ms", "p99_ms", "cpu_ms", "load_cores")
        figures: dict[str, Any] = {name: round(getattr(self, name), 3) for name in names}
        figures["clients"] = self.clients
        if self.ratio is None:
            return figures
        return figures | {
            "ratio": round(self.ratio, 4),
            "p50_ratio": None if self.p50_ratio is None else round(self.p50_ratio, 3),
            "base": self.base,
            "target": str(self.target) if self.target else None,
            "verdict": self.verdict,
        }


def summed_up(
    name: str,
    runs: Sequence[Measured],
    beside: Sequence[Beside] = (),
    *,
    base: str = "bare",
    target: Target | None = None,
) -> Row:
    """One row; `beside` is what was measured beside each of the runs."""
    pairs = list(zip(runs, beside, strict=True)) if beside else []
    return Row(
        name=name,
        clients=runs[0].clients,
        rate=median(run.rate for run in runs),
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        load_cores=max(run.load_cores for run in runs),
        cpu_ms=median(run.cpu_ms for run in runs),
        ratio=_median(run.rate / other.rate for run, other in pairs),
        p50_ratio=_median(run.p50_ms / other.p50_ms for run, other in pairs if other.p50_ms),
        base=base,
        target=target,
    )


def formatted(rows: Sequence[Row]) -> str:
    """The table as text, figures aligned; it is Markdown too."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    # No narrower than Markdown's own rule.
    widths = [max(3, *(len(line[column]) for line in cells)) for column in range(len(HEAD))]
    lines = ["| " + " | ".join(_aligned(line, widths)) + " |" for line in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])


def _median(ratios: Iterable[float]) -> float | None:
    known = list(ratios)
    return median(known) if known else None


def _cells(row: Row) -> tuple[str, ...]:
    rate = f"{row.rate:,.0f}" if row.rate >= 100 else f"{row.rate:,.1f}"
    times = (f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", f"{row.cpu_ms:.2f}")
    target = str(row.target) if row.target else ""
    return (row.name, str(row.clients), rate, *times, _ratio(row), target, row.verdict)


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    of = "" if row.base == "bare" else f" of {row.base}"
    text = f"{row.ratio:.3f}{of}"
    if row.target and row.target.figure == "p50_ratio" and row.p50_ratio is not None:
        text += f", p50 {row.p50_ratio:.2f} times"
    return text


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *others = zip(line, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
