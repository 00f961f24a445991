import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask

from app.db import db
from bench import __main__ as command
from bench import machine, wrk
from bench.plans import Plan
from bench.table import Row
from bench.wrk import BenchError

ROW = Row("GET /healthz", 8, 2_622.4, 2.14, 14.2, 0.1, 0.318, ratio=0.5)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Plan]:
    """What was to be measured; nothing is."""
    found: list[Plan] = []

    def measure(plan: Plan) -> tuple[list[Row], dict[str, str]]:
        found.append(plan)
        return [ROW], {"machine": "2 cores", "load": "0.10 cores"}

    monkeypatch.setattr(command, "_measure", measure)
    monkeypatch.setattr(command, "BENCH", tmp_path)
    monkeypatch.setattr(command, "stop_on_signals", lambda: None)
    monkeypatch.setattr(wrk, "must_be_installed", lambda: None)
    return found


def test_the_large_book_is_measured_unless_another_is_named(plans: list[Plan]) -> None:
    assert command.main([]) == 0
    assert command.main(["growth"]) == 0
    assert [plan.book.loans for plan in plans] == [1_000_000, 10_000_000]


def test_lines_can_be_chosen_by_parts_of_their_names(plans: list[Plan]) -> None:
    command.main(["small", "--only", "healthz", "--only", "balance", "--rounds", "7"])
    (plan,) = plans
    names = [line.name for line in plan.lines]
    assert names == ["GET /healthz", "GET /customers/{id}/balance"]
    assert (plan.rounds, plan.seconds) == (7, 1)


def test_the_table_is_printed_with_its_machine_and_kept_by_the_plans_name(
    plans: list[Plan], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.main(["small"])
    assert capsys.readouterr().out.endswith("\n\nOn 2 cores; 0.10 cores.\n")
    kept = json.loads((tmp_path / "small.json").read_text())
    assert kept["machine"] == "2 cores"
    assert kept["calls"]["GET /healthz"]["ratio"] == 0.5


def test_a_bench_without_figures_says_why_and_fails(
    plans: list[Plan], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Plan) -> None:
        raise BenchError("Page 9999 names no cursor.")

    monkeypatch.setattr(command, "_measure", refuse)
    assert command.main(["small"]) == 1
    assert "Page 9999 names no cursor." in capsys.readouterr().err


def test_the_machine_is_named(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_THREADS", "3")
    with app.app_context():
        url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    told = machine.described(SimpleNamespace(environment={"DATABASE_URL": url}))  # type: ignore[arg-type]
    assert told["machine"].startswith(f"{os.cpu_count()} cores of ")
    assert told["postgresql"].startswith("PostgreSQL 1")
    assert told["gunicorn"].endswith(" workers of 3 threads")
