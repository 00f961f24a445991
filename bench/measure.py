"""Measuring: each call beside another, round after round, for machines are noisy."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol

from tqdm import tqdm

from bench import cpu, wrk
from bench.calls import BARE, Call
from bench.lines import Line
from bench.plans import Plan
from bench.servers import Server
from bench.site import Site
from bench.table import Beside, Row, summed_up
from bench.wrk import Measured

SLOWER = 2


class Alone(Protocol):
    """What does nothing but the one thing that bounds a call."""

    def rate(self, seconds: float) -> float: ...


@dataclass
class Rounds:
    """The runs of one line's call, and what stood beside each."""

    runs: list[Measured] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)

    def summed_up(self, line: Line) -> Row:
        return summed_up(line.name, self.runs, self.beside, base=line.base, target=line.target)


@dataclass
class Bench:
    """What is measured, and against what: servers, and what does one thing alone by its name.

    `requests` is the file in which wrk finds what to send.
    """

    plan: Plan
    sites: Mapping[Server, Site]
    alone: Mapping[str, Alone]
    requests: Path
    bare: list[Measured] = field(default_factory=list)
    _runs: int = 0
    _calls: dict[Call, tuple[int, Measured]] = field(default_factory=dict)

    def measure(self) -> list[Row]:
        """The table's rows: the bare route, and every line of the plan."""
        lines = self.plan.lines
        for call in tqdm(_distinct(lines), "warming up", unit=" calls"):
            self.sites[call.served_by].warm_up(call, self.plan.warm_up)
        found = {line.name: Rounds() for line in lines}
        runs = [line for _ in range(self.plan.rounds) for line in lines]
        for line in tqdm(runs, "measuring", unit=" lines"):
            found[line.name].beside.append(self._beside(line))
            found[line.name].runs.append(self._measured(line.call, self.plan.near))
        rows = [summed_up("bare", self.bare)] if self.bare else []
        return rows + [found[line.name].summed_up(line) for line in lines]

    def _beside(self, line: Line) -> Beside:
        if isinstance(line.beside, Call):
            # One less, for the line's own call is the next run.
            run = self._measured(line.beside, self.plan.near - 1)
            return Beside(run.rate, run.p50_ms)
        self._runs += 1
        return Beside(self.alone[line.beside].rate(self._seconds(line.call)))

    def _measured(self, call: Call, near: int) -> Measured:
        """A run of the call, or the last one if no more than `near` have begun since."""
        number, measured = self._calls.get(call, (None, None))
        if number is None or measured is None or self._runs - number > near:
            self._runs += 1
            measured = self._run(call)
            self._calls[call] = self._runs, measured
            if call == BARE:
                self.bare.append(measured)
        return measured

    def _run(self, call: Call) -> Measured:
        site = self.sites[call.served_by]
        requests = site.requests(call, Random(self._runs))
        before = cpu.seconds(site.served.pids)
        measured = wrk.run(
            site.served.url,
            requests,
            self.requests,
            seconds=self._seconds(call),
            connections=call.clients,
            token=None if call.is_anonymous else site.token,
        )
        spent = cpu.seconds(site.served.pids) - before
        if call.is_conditional:  # wrk takes any 2xx and 3xx
            site.check(call, requests[:1])
        return replace(measured, cpu_ms=1000 * spent / measured.requests)

    def _seconds(self, call: Call) -> int:
        return self.plan.seconds * (SLOWER if call.is_slow else 1)


def _distinct(lines: Iterable[Line]) -> list[Call]:
    return list(dict.fromkeys(call for line in lines for call in line.calls))
