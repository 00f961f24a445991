"""Measuring: each call beside the bare route, round after round, for machines are noisy."""

import http.client
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

from tqdm import tqdm

from bench import cpu, wrk
from bench.calls import BARE, CALLS, Call, Ids, Server
from bench.lender import Served, Size
from bench.table import Row, summed_up
from bench.wrk import BenchError, Measured

WARM_UP = 4
SLOWER = 2


@dataclass
class Rounds:
    """The runs of one call, and the rates of what stood beside each."""

    runs: list[Measured] = field(default_factory=list)
    bases: list[float] = field(default_factory=list)

    def summed_up(self, call: Call) -> Row:
        base = call.bound_by or (call.beside or BARE).name
        return summed_up(call.name, self.runs, self.bases, base=base, target=call.target)


class Alone(Protocol):
    """What does nothing but the one thing that bounds a call."""

    def rate(self, seconds: float) -> float: ...


@dataclass(frozen=True, slots=True)
class Target:
    """A server, an admin's token there, and the ids of its book."""

    served: Served
    token: str = ""
    ids: Ids = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, and against what: servers, and what does one thing alone by its name.

    The `young` service knows the same users and has ids of its own. `folder` is for wrk's requests.
    """

    servers: Mapping[Server, Target]
    alone: Mapping[str, Alone]
    folder: Path

    def measure(self, size: Size, calls: Sequence[Call] = CALLS) -> list[Row]:
        """The table's rows: the bare route, and every call."""
        found = {call.name: Rounds() for call in calls}
        bare: list[Measured] = []
        for call in calls:
            self._check(call)
        runs = [(number, call) for number in range(size.rounds) for call in calls]
        for number, call in tqdm(runs, "measuring", unit=" runs"):
            random, rounds = Random(f"{number}/{call.name}"), found[call.name]
            seconds = size.seconds * (SLOWER if call.is_slow else 1)
            if call.bound_by:
                rounds.bases.append(self.alone[call.bound_by].rate(seconds))
            elif call.beside:
                rounds.bases.append(self._run(call.beside, random, seconds).rate)
            else:
                bare.append(self._run(BARE, random, size.seconds))
                rounds.bases.append(bare[-1].rate)
            rounds.runs.append(self._run(call, random, seconds))
        rows = [summed_up(BARE.name, bare)] if bare else []
        return rows + [found[call.name].summed_up(call) for call in calls]

    def _run(self, call: Call, random: Random, seconds: int) -> Measured:
        target = self.servers[call.served_by]
        before = cpu.seconds(target.served.pids)
        measured = wrk.run(
            target.served.url,
            call.requests(random, target.ids),
            self.folder / "requests",
            seconds=seconds,
            connections=call.connections,
            token=None if call.is_anonymous else target.token,
        )
        spent = cpu.seconds(target.served.pids) - before
        return replace(measured, cpu_ms=1000 * spent / measured.requests)

    def _check(self, call: Call) -> None:
        """Warm the call up, and see that it is answered as it should be."""
        target = self.servers[call.served_by]
        for request in call.requests(Random(call.name), target.ids)[:WARM_UP]:
            headers = {"Content-Type": "application/json"}
            if not call.is_anonymous:
                headers["Authorization"] = f"Bearer {target.token}"
            client = http.client.HTTPConnection(urlsplit(target.served.url).netloc, timeout=60)
            with closing(client):
                client.request(request.method, request.path, request.body, headers)
                answer = client.getresponse()
                if answer.status != call.status:
                    raise BenchError(f"{call.name} answers {answer.status}: {answer.read()!r}")
