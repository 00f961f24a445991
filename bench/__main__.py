"""`python -m bench [small|large|growth|workers|imports]`: a table, kept in `.local/bench`, too."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from app.local.launcher import stop_on_signals
from app.local.processes import LocalError
from bench import imports, machine, wrk
from bench.argon2 import Verifiers
from bench.calls import PAGES
from bench.lender import BENCH, Database, Launched, databases, launched
from bench.measure import Alone, Bench
from bench.pgbench import Pgbench
from bench.plans import PLANS, Plan
from bench.servers import BARE, PLAIN, Server
from bench.site import Site, with_deep_pages
from bench.table import Row, formatted
from bench.wrk import BenchError


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the exit code: 0 whether or not the targets are met."""
    options = _parser().parse_args(arguments)
    stop_on_signals()
    try:
        if options.plan == "imports":
            print(f"\n{imports.table()}")
            return 0
        plan = _plan(options)
        wrk.must_be_installed()
        rows, notes = _measure(plan)
    except (BenchError, LocalError) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    report = {**notes, "calls": {row.name: row.as_json() for row in rows}}
    (BENCH / f"{plan.name}.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"\n{formatted(rows)}\n\nOn {'; '.join(notes.values())}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("plan", nargs="?", choices=(*PLANS, "imports"), default="large")
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="lines with TEXT in their name; repeatable"
    )
    parser.add_argument("--rounds", type=int, help="how often each call is measured")
    parser.add_argument("--seconds", type=int, help="how long, each time")
    return parser


def _plan(options: argparse.Namespace) -> Plan:
    plan = PLANS[options.plan]
    wanted = options.only or [""]
    return replace(
        plan,
        lines=[line for line in plan.lines if any(text in line.name for text in wanted)],
        rounds=options.rounds or plan.rounds,
        seconds=options.seconds or plan.seconds,
    )


def _measure(plan: Plan) -> tuple[list[Row], Mapping[str, str]]:
    """The table's rows, and what else is to be known of the run."""
    calls = {call for line in plan.lines for call in line.calls}
    servers = {call.served_by for call in calls}
    books = [plan.book, *([plan.beside] if any(server.is_beside for server in servers) else [])]
    with ExitStack() as stack:
        on = dict(zip((False, True), stack.enter_context(databases(books)), strict=False))
        folder = BENCH / plan.name
        started = {
            server: stack.enter_context(
                launched(server, on[server.is_beside].environment, folder / server.name)
            )
            for server in servers
        }
        sites = {server: _site(server, gunicorn, on) for server, gunicorn in started.items()}
        for server in {call.served_by for call in calls if call.make in PAGES}:
            sites[server] = with_deep_pages(sites[server])
        alone = _alone(stack, plan, on[False])
        bench = Bench(plan, sites, alone, folder / "requests")
        rows = bench.measure()
        return rows, {**machine.described(on[False]), **_notes(plan, rows, sites)}


def _site(server: Server, gunicorn: Launched, on: Mapping[bool, Database]) -> Site:
    served, database = gunicorn.ready(), on[server.is_beside]
    if server == BARE:
        return Site(served)
    served = replace(served, pids=(*served.pids, *database.pids))
    return Site(served, database.token, database.ids)


def _alone(stack: ExitStack, plan: Plan, database: Database) -> Mapping[str, Alone]:
    needed = {line.beside for line in plan.lines}
    alone: dict[str, Alone] = {}
    if "Argon2" in needed:
        alone["Argon2"] = stack.enter_context(Verifiers(database.password_hash))
    if "pgbench" in needed:
        alone["pgbench"] = Pgbench.on(database.environment["DATABASE_URL"])
    return alone


def _notes(plan: Plan, rows: Sequence[Row], sites: Mapping[Server, Site]) -> Mapping[str, str]:
    notes = {
        "book": f"{plan.book.customers:,} customers, {plan.book.title}",
        "measured": f"medians of {plan.rounds} times {plan.seconds} s",
        "load": f"the load generator took at most {max(row.load_cores for row in rows):.2f} cores",
    }
    if PLAIN in sites and "deep_page" in sites[PLAIN].ids:
        notes["deep page"] = f"the deep page is {sites[PLAIN].ids['deep_page'][0]}"
    return notes


if __name__ == "__main__":
    sys.exit(main())
