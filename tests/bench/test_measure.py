from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bench import calls, cpu, wrk
from bench.books import SMALL, YOUNG
from bench.calls import BARE
from bench.lender import Served
from bench.lines import Line
from bench.measure import Bench
from bench.plans import Plan
from bench.site import Site
from bench.targets import at_least
from bench.wrk import Measured

IDS = {"loans": ["an-id"], "customers": ["an-id"]}
LOAN, BALANCE = Line("loan", calls.LOAN, at_least(0.5)), Line("balance", calls.BALANCE)
HEALTH = Line("health", calls.HEALTH)


@dataclass
class Machine:
    """Answers a hundred times a second more with every run; keeps what it was asked."""

    sent: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def run(self, _: str, requests: Sequence[wrk.Request], __: Path, **how: Any) -> Measured:
        self.sent.append(requests[0].path.strip("/").partition("/")[0] or "bare")
        self.seconds.append(how["seconds"])
        return Measured(len(self.sent) * 100, 1.0, 2.0, 4.0, clients=how["connections"])

    def rate(self, seconds: float) -> float:
        self.sent.append("alone")
        self.seconds.append(seconds)
        return 1_000.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(wrk, "run", machine.run)
    monkeypatch.setattr(cpu, "seconds", lambda _: len(machine.sent) * 1.0)
    monkeypatch.setattr(Site, "warm_up", lambda *_: None)
    return machine


def bench(machine: Machine, *lines: Line, near: int = 1, rounds: int = 1) -> Bench:
    site = Site(Served("http://127.0.0.1:1", ()), ids=IDS)
    servers = {call.served_by for line in lines for call in line.calls}
    plan = Plan("test", SMALL, YOUNG, lines, rounds=rounds, seconds=4, warm_up=0, near=near)
    return Bench(plan, dict.fromkeys(servers, site), {"alone": machine}, Path())


def test_each_call_is_measured_beside_a_run_of_the_bare_route(machine: Machine) -> None:
    rows = bench(machine, LOAN, BALANCE, rounds=2).measure()
    assert machine.sent == ["bare", "loans", "bare", "customers"] * 2
    assert [row.name for row in rows] == ["bare", "loan", "balance"]
    # Runs 1 to 8 gave 100 to 800 a second.
    assert rows[1].ratio == (200 / 100 + 600 / 500) / 2
    assert rows[1].verdict == "met"
    assert rows[0].rate == (100 + 300 + 500 + 700) / 4


def test_in_a_hurry_one_run_of_the_bare_route_stands_beside_several_calls(
    machine: Machine,
) -> None:
    rows = bench(machine, LOAN, BALANCE, HEALTH, near=2).measure()
    assert machine.sent == ["bare", "loans", "customers", "bare", "healthz"]
    assert rows[2].ratio == 300 / 100
    assert rows[3].ratio == 500 / 400


def test_a_run_stands_on_both_sides_where_it_is_neighbour_of_both(machine: Machine) -> None:
    beside_balance = Line("loan of balance", calls.LOAN, beside=calls.BALANCE, base="balance")
    rows = bench(machine, LOAN, beside_balance).measure()
    assert machine.sent == ["bare", "loans", "customers"]
    assert rows[2].ratio == 200 / 300


def test_what_a_call_is_bound_by_is_measured_beside_it(machine: Machine) -> None:
    bound = Line("loan", calls.LOAN, beside="alone", base="alone")
    (row,) = bench(machine, bound).measure()
    assert machine.sent == ["alone", "loans"]
    assert (row.ratio, row.p50_ratio) == (0.2, None)


def test_what_takes_long_is_measured_longer(machine: Machine) -> None:
    slow = Line("slow", replace(calls.LOAN, is_slow=True), beside="alone")
    bench(machine, slow, BALANCE).measure()
    assert machine.seconds == [8, 8, 4, 4]


def test_cpu_is_that_of_the_servers_for_one_answer(machine: Machine) -> None:
    rows = bench(machine, LOAN).measure()
    assert rows[1].cpu_ms == 1000 * 1.0 / 200


def test_whether_an_answer_is_still_known_is_seen_after_the_run(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    known = [wrk.Request("GET", "/loans/", known="tag")]
    monkeypatch.setattr(Site, "requests", lambda *_: known)
    monkeypatch.setattr(Site, "check", lambda *_: checked.append(machine.sent[-1]))
    bench(machine, Line("known", calls.LIST_KNOWN)).measure()
    assert checked == ["loans"]


def test_every_server_that_is_measured_is_warmed_up(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    warmed: list[calls.Call] = []
    monkeypatch.setattr(Site, "warm_up", lambda *given: warmed.append(given[1]))
    bench(machine, LOAN, LOAN, BALANCE).measure()
    assert warmed == [BARE, calls.LOAN, calls.BALANCE]
