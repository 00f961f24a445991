"""Measuring: each call beside the bare route, round after round, for machines are noisy."""

import http.client
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from tqdm import tqdm

from bench import cpu, wrk
from bench.argon2 import Verifiers
from bench.calls import BARE, CALLS, Call, Ids
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
        base = "Argon2" if call.is_bound_by_argon2 else (call.beside or BARE).name
        return summed_up(call.name, self.runs, self.bases, base=base, target=call.target)


@dataclass(frozen=True, slots=True)
class Bench:
    """What is measured, and against what. `folder` is for wrk's requests."""

    service: Served
    plain: Served
    bare: Served
    token: str
    ids: Ids
    verifiers: Verifiers
    folder: Path

    def measure(self, size: Size, calls: Sequence[Call] = CALLS) -> list[Row]:
        """The table's rows: the bare route, Argon2 alone, and every call."""
        found = {call.name: Rounds() for call in calls}
        bare: list[Measured] = []
        for call in calls:
            self._check(call)
        runs = [(number, call) for number in range(size.rounds) for call in calls]
        for number, call in tqdm(runs, "measuring", unit=" runs"):
            random, rounds = Random(f"{number}/{call.name}"), found[call.name]
            seconds = size.seconds * (SLOWER if call.is_slow else 1)
            if call.is_bound_by_argon2:
                rounds.bases.append(self.verifiers.rate(seconds))
            elif call.beside:
                rounds.bases.append(self._run(call.beside, random, seconds).rate)
            else:
                bare.append(self._run(BARE, random, size.seconds))
                rounds.bases.append(bare[-1].rate)
            rounds.runs.append(self._run(call, random, seconds))
        rows = [summed_up(BARE.name, bare)] if bare else []
        return rows + [found[call.name].summed_up(call) for call in calls]

    def _run(self, call: Call, random: Random, seconds: int) -> Measured:
        served = self._served(call)
        before = cpu.seconds(served.pids)
        measured = wrk.run(
            served.url,
            call.requests(random, self.ids),
            self.folder / "requests",
            seconds=seconds,
            connections=call.connections,
            token=None if call.is_anonymous else self.token,
        )
        spent = cpu.seconds(served.pids) - before
        return replace(measured, cpu_ms=1000 * spent / measured.requests)

    def _served(self, call: Call) -> Served:
        if call is BARE:
            return self.bare
        return self.plain if call.to_plain else self.service

    def _check(self, call: Call) -> None:
        """Warm the call up, and see that it is answered as it should be."""
        for request in call.requests(Random(call.name), self.ids)[:WARM_UP]:
            headers = {"Content-Type": "application/json"}
            if not call.is_anonymous:
                headers["Authorization"] = f"Bearer {self.token}"
            client = http.client.HTTPConnection(urlsplit(self._served(call).url).netloc, timeout=60)
            with closing(client):
                client.request(request.method, request.path, request.body, headers)
                answer = client.getresponse()
                if answer.status != call.status:
                    raise BenchError(f"{call.name} answers {answer.status}: {answer.read()!r}")
