"""`flask import-customers`: what it imports and on whose behalf, and what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from app.models import Role
from app.services import imports
from app.services.imports import chunks
from tests import terminal
from tests.attacks import fingerprint
from tests.credentials import execute
from tests.factories import Caller, Lender
from tests.importing import NO_TEXT, customers, lines, names

Run = Callable[..., Result]
WHOSE = "SELECT DISTINCT created_by::text FROM customers"
KINDS = """
SELECT string_agg(DISTINCT actor_kind, ' ') FROM audit_events WHERE subject = 'import'
"""
RECORD = "SELECT id, status, filename, created_by::text FROM customer_imports"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "January.csv"


@pytest.fixture
def run(app: Flask, file: Path) -> Run:
    """The command on a file of that content."""

    def invoke(content: str | bytes, *arguments: str) -> Result:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return app.test_cli_runner().invoke(args=["import-customers", str(file), *arguments])

    return invoke


def test_customers_are_created_and_counted(app: Flask, admin: Caller, run: Run) -> None:
    result = run(lines(names("crm", 1_234)))
    assert result.exit_code == 0, result.output
    assert result.stdout == "1,234 created, 0 rejected of 1,234 lines.\n"
    assert result.stderr == ""
    assert len(customers(app)) == 1_234
    assert tuple(execute(app, RECORD)[1:]) == ("COMPLETED", "January.csv", admin.id)


def test_a_terminal_shows_how_far_it_is(
    admin: Caller, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.pretend(monkeypatch)
    shown = run(lines(names("crm", 1_234))).stderr
    assert "reading: 100%" in shown
    assert "| 1234/1234 [" in shown


def test_lines_that_were_refused_are_shown_defused(admin: Caller, run: Run) -> None:
    result = run("crm-1,1.00\n=1+1,1.005\n\x1b[31mred,1.00\ncrm-1,2.00\n")
    amount = "Must be an amount of at most 999999999999.99, with at most two decimals, as digits."
    assert result.stdout.splitlines() == [
        "1 created, 3 rejected of 4 lines.",
        f"line 2: '=1+1,1.005: credit_limit: {amount}",
        "line 3: \ufffd[31mred,1.00: external_id: Must not contain control characters.",
        "line 4: crm-1,2.00: external_id: This external_id already exists.",
    ]


def test_of_many_lines_that_were_refused_the_first_are_shown(
    app: Flask, admin: Caller, run: Run
) -> None:
    result = run("a/b,1\n" * 1_025)
    told = result.stdout.splitlines()
    assert told[0] == "0 created, 1,025 rejected of 1,025 lines."
    assert [line.partition(":")[0] for line in told[1:-1]] == [
        f"line {number}" for number in range(1, 21)
    ]
    (import_id, *_) = execute(app, RECORD)
    assert told[-1] == f"and 1,005 more: GET /customers/imports/{import_id}/errors"


def test_a_dry_run_creates_nobody(app: Flask, admin: Caller, run: Run) -> None:
    result = run(lines([*names("crm", 3), "crm-1"]), "--dry-run")
    assert result.stdout.startswith("3 would be created, 1 rejected of 4 lines.\nline 4: ")
    assert customers(app) == []


def test_it_is_done_on_behalf_of_the_first_admin_who_is_active(
    app: Flask, lender: Lender, run: Run
) -> None:
    lender.user(Role.OFFICER)
    lender.user(Role.ADMIN, is_active=False)
    first, _ = lender.user(Role.ADMIN), lender.user(Role.ADMIN)
    assert run("crm-1,1.00\n").exit_code == 0
    assert execute(app, WHOSE) == (first.id,)


def test_it_is_done_on_behalf_of_whoever_is_named(
    app: Flask, admin: Caller, officer: Caller, run: Run
) -> None:
    assert officer.user is not None
    assert run("crm-1,1.00\n", "--as", officer.user.email.upper()).exit_code == 0
    assert execute(app, WHOSE) == (officer.id,)
    assert execute(app, KINDS) == ("console worker",)


def test_it_is_not_done_on_behalf_of_whoever_may_not_do_it(
    app: Flask, admin: Caller, applicant: Caller, lender: Lender, run: Run
) -> None:
    gone = lender.user(Role.OFFICER, is_active=False)
    before = fingerprint(app)
    for email, why in (
        (applicant.user.email, "Only an officer or an admin may do this."),
        (gone.user.email, "User not found."),
        ("nobody@lender.example.com", "User not found."),
    ):
        result = run("crm-1,1.00\n", "--as", email)
        assert (result.exit_code, result.stdout) == (1, "")
        assert why in result.stderr
    assert fingerprint(app) == before


def test_without_an_admin_it_is_not_done(app: Flask, officer: Caller, run: Run) -> None:
    before = fingerprint(app)
    result = run("crm-1,1.00\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "User not found." in result.stderr
    assert fingerprint(app) == before


@pytest.mark.parametrize("content", [*NO_TEXT.values(), b"", b"\n"], ids=[*NO_TEXT, "empty", "\\n"])
def test_what_cannot_be_read_is_refused_whole(
    app: Flask, admin: Caller, run: Run, content: bytes
) -> None:
    before = fingerprint(app)
    result = run(content)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: " in result.stderr
    assert "Must " in result.stderr
    assert "Traceback" not in result.stderr
    assert fingerprint(app) == before


@pytest.mark.parametrize("path", ["nowhere.csv", "."])
def test_what_is_no_file_is_refused(app: Flask, admin: Caller, tmp_path: Path, path: str) -> None:
    before = fingerprint(app)
    result = app.test_cli_runner().invoke(args=["import-customers", str(tmp_path / path)])
    assert result.exit_code == 2
    assert fingerprint(app) == before


def test_an_import_that_is_given_up_is_a_failure(
    app: Flask, admin: Caller, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whichever worker: it may be another than this."""
    finish = chunks.finish

    def give_up(import_id: Any, _: Any) -> None:
        finish(import_id, "FAILED")

    monkeypatch.setattr(chunks, "finish", give_up)
    result = run(lines(names("crm", 3)))
    assert result.exit_code == 1
    assert "given up" in result.stderr


def test_what_others_work_on_is_waited_for(
    app: Flask, admin: Caller, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the other has all of it done before this one begins."""
    accept = imports.accept

    def accept_and_hand_over(*arguments: Any, **values: Any) -> Any:
        record = accept(*arguments, **values)
        imports.carry_on(record.id)
        return record

    monkeypatch.setattr(imports, "accept", accept_and_hand_over)
    result = run(lines(names("crm", 3)))
    assert result.stdout == "3 created, 0 rejected of 3 lines.\n"
