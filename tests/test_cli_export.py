"""`flask export`: what the service exports, to stdout or into a file, in as little memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from flask import Flask

from app.config import Settings
from app.errors import DatabaseAway
from app.services import exports
from app.web import csv
from tests import terminal
from tests.exported import crowd, is_given_back
from tests.factories import Caller

Export = Callable[..., Result]
FLASK = (sys.executable, "-m", "flask", "--app", "wsgi", "export")
MANY, FEW = 50_000, 5_000
GROWN_AT_MOST = 10 * 1024
WHY = {"reason": "odd"}
each_kind = pytest.mark.parametrize("kind", ["customers", "loans", "payments"])


@pytest.fixture
def export(app: Flask) -> Export:
    return lambda *arguments: app.test_cli_runner().invoke(args=["export", *arguments])


@pytest.fixture
def sql(settings: Settings, clean: None) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def records(admin: Caller) -> Caller:
    """Some of each kind, of two customers."""
    for name in ("crm-1", "crm-2"):
        customer = admin.make_customer(external_id=name)
        owed = admin.make_debt(customer, amount="1000.00")
        admin.post(f"/loans/{admin.make_loan(customer)['id']}/flag", WHY)
        for amount in ("1.00", "5000.00"):
            paid = admin.pay(owed["customer_id"], amount)
        admin.post(f"/payments/{paid['id']}/reverse", WHY)
    admin.patch("/customers/crm-2", {"status": "INACTIVE"})
    return admin


QUESTIONS = [
    ("customers", (), ""),
    ("customers", ("--status", "INACTIVE"), "status=INACTIVE"),
    ("loans", (), ""),
    ("loans", ("--status", "FLAGGED"), "status=FLAGGED"),
    ("loans", ("--status", "FLAGGED", "--status", "ACTIVE"), "status=FLAGGED&status=ACTIVE"),
    ("loans", ("--customer", "crm-1"), "customer=crm-1"),
    ("loans", ("--from", "2026-01-01", "--to", "9999-12-31"), "from=2026-01-01&to=9999-12-31"),
    ("loans", ("--to", "2025-12-31"), "to=2025-12-31"),
    ("payments", (), ""),
    ("payments", ("--status", "REJECTED", "--customer", "crm-2"), "status=REJECTED&customer=crm-2"),
    ("payments", ("--from", "2026-01-01", "--to", "9999-12-31"), "from=2026-01-01&to=9999-12-31"),
    ("payments", ("--from", "9999-01-01"), "from=9999-01-01"),
]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_is_exported_is_what_the_service_answers(
    records: Caller, export: Export, form: str
) -> None:
    lengths = set()
    for kind, options, query in QUESTIONS:
        result = export(kind, "--format", form, *options)
        answered = records.get(f"/{kind}/export?format={form}&{query}").data
        assert (result.exit_code, result.stderr) == (0, ""), result.output
        assert result.stdout_bytes == answered, options
        lengths.add((kind, answered.count(b"\n")))
    assert len(lengths) > 6


def test_without_a_word_it_is_csv(records: Caller, export: Export) -> None:
    assert export("loans").stdout_bytes == export("loans", "--format", "csv").stdout_bytes


@each_kind
def test_a_file_takes_its_place_once_it_is_whole_and_a_terminal_shows_how_far_it_is(
    records: Caller,
    export: Export,
    tmp_path: Path,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal.pretend(monkeypatch)
    out = tmp_path / "out"
    out.write_text("of yesterday")
    out.chmod(0o600)
    result = export(kind, "--out", str(out))
    assert (result.exit_code, result.stdout) == (0, "")
    assert out.read_bytes() == records.get(f"/{kind}/export").data
    assert out.stat().st_mode & 0o777 == 0o600
    number = records.get(f"/{kind}/").headers["X-Total-Count"]
    assert f"100%|██████████| {number}/{number} [" in result.stderr
    assert f" {kind}/s]" in result.stderr
    assert list(tmp_path.iterdir()) == [out]


def test_one_that_breaks_off_leaves_the_former_file(
    app: Flask,
    records: Caller,
    export: Export,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    out.write_text("of yesterday")
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)
    written = iter((csv.written, csv.written))

    def breaking(rows: Any) -> bytes:
        if write := next(written, None):
            return write(rows)
        raise DatabaseAway

    monkeypatch.setattr(csv, "written", breaking)
    result = export("loans", "--out", str(out))
    assert result.exit_code == 1
    assert result.output.endswith("Error: The database is away.\n")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of yesterday"]
    assert is_given_back(app)


def test_a_file_that_cannot_be_written_is_named(export: Export, tmp_path: Path) -> None:
    result = export("loans", "--out", str(tmp_path / "nowhere" / "out"))
    assert (result.exit_code, "Error: [Errno 2]" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("loans", "--status", "OWED"), "status: Must be one of: PENDING, FLAGGED,"),
        (("loans", "--status", "ACTIVE", "--status", "OWED"), "status: Must be one of:"),
        (("payments", "--status", "ACTIVE"), "status: Must be one of: COMPLETED,"),
        (("customers", "--status", ""), "status: Must be one of: ACTIVE, INACTIVE."),
        (("loans", "--from", "2026-02-30"), "from: Must be a day of the calendar, YYYY-MM-DD."),
        (("loans", "--from", "2026-02-01", "--to", "2026-01-31"), "to: Must not be before from."),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused(
    export: Export, arguments: tuple[str, ...], told: str
) -> None:
    result = export(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {told}")


@pytest.mark.parametrize(
    "arguments", [("loans", "--format", "json"), ("customers", "--from", "2026-01-01"), ("users",)]
)
def test_what_there_is_not_is_a_mistake_of_the_command_line(
    export: Export, arguments: tuple[str, ...]
) -> None:
    assert export(*arguments).exit_code == 2


def test_it_is_on_record_as_the_consoles(records: Caller, export: Export) -> None:
    export("payments", "--status", "REJECTED", "--to", "2026-01-31")
    event = records.get("/reports/audit?action=payments.exported").get_json()[0]
    assert event["actor_kind"] == "console"
    assert event["details"] == {"filters": {"status": "REJECTED", "last": "2026-01-31"}}


def test_whoever_reads_the_beginning_ends_it_without_a_word(
    sql: psycopg.Connection[Any], environ: dict[str, str]
) -> None:
    crowd(sql, customers=10, loans=FEW)
    command = [*FLASK, "loans"]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline().startswith(b"id,external_id,")
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode not in (0, -signal.SIGSEGV)


def test_memory_does_not_grow_with_what_is_exported(
    sql: psycopg.Connection[Any], environ: dict[str, str], tmp_path: Path
) -> None:
    crowd(sql, customers=10, loans=FEW)
    peaks = [most_memory(environ, tmp_path / "few")]
    crowd(sql, customers=0, loans=MANY - FEW)
    peaks.append(most_memory(environ, tmp_path / "many"))
    lengths = [(tmp_path / name).read_bytes().count(b"\n") for name in ("few", "many")]
    assert lengths == [FEW + 1, MANY + 1]
    assert peaks[1] - peaks[0] <= GROWN_AT_MOST


def most_memory(environ: dict[str, str], out: Path) -> int:
    """How much an export takes at most, in KiB."""
    command = [*FLASK, "loans", "--out", str(out)]
    with subprocess.Popen(
        command, env={**os.environ, **environ}, stderr=subprocess.DEVNULL
    ) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return usage.ru_maxrss // (1024 if sys.platform == "darwin" else 1)
