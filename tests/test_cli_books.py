"""`flask verify-books`: what it says, and how it ends."""

from collections.abc import Callable

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from app.db import db
from tests import terminal
from tests.factories import Caller

Verify = Callable[[], Result]


@pytest.fixture
def verify(app: Flask) -> Verify:
    return lambda: app.test_cli_runner().invoke(args=["verify-books"])


def test_right_books_end_well_and_tell_what_was_checked(admin: Caller, verify: Verify) -> None:
    admin.post(f"/loans/{admin.make_loan()['id']}/activate", {})
    result = verify()
    assert result.exit_code == 0, result.output
    counts = "2 entries, 1 journals, 1 loans, 1 accounts, 0 payments, 5 audit events, 1 customers"
    assert f" checks of {counts}, 0 tallies: no difference.\n" in result.stdout
    assert result.stderr == ""


def test_a_terminal_shows_how_far_it_is(
    admin: Caller, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.pretend(monkeypatch)
    admin.make_loan()
    assert "100%" in verify().stderr


def test_every_difference_is_a_line_and_the_end_is_a_failure(
    app: Flask, admin: Caller, verify: Verify
) -> None:
    loans = [admin.make_loan(amount="12.00") for _ in range(2)]
    for loan in loans:
        admin.post(f"/loans/{loan['id']}/activate", {})
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("UPDATE loans SET outstanding = 10"))
    result = verify()
    assert result.exit_code == 1
    for loan in loans:
        assert f"loan {loan['id']}: outstanding 10.00, by the ledger 12.00\n" in result.stdout
    assert "all loans: outstanding and paid 20.00, disbursed 24.00\n" in result.stdout
    assert result.stdout.endswith(": 3 differences.\n")
