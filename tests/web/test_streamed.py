"""Answers that are written while they are read, and what becomes of them when they are not."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask import Flask, g, request

from app.config import Settings
from app.schemas.loans import LoanOut
from app.services import exports
from app.services.actor import CONSOLE
from app.services.exports import AT_ONCE
from app.web import logs, streamed
from app.web.streamed import FORMS, BrokenOff, Form, Stream
from tests.credentials import execute
from tests.exported import is_given_back, lose_the_reader
from tests.factories import Caller

COUNTED = "SELECT count(*) FROM audit_events WHERE action = 'loans.exported'"


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)


@pytest.fixture
def three_loans(admin: Caller) -> Caller:
    for _ in range(3):
        admin.make_loan()
    return admin


@pytest.fixture
def sql(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def configure() -> Iterator[Callable[[str], None]]:
    """Have the log written at a level; afterwards as it was."""
    logger = logging.getLogger("app")
    handlers, level, propagates = logger.handlers, logger.level, logger.propagate
    yield logs.configure
    logger.handlers, logger.propagate = handlers, propagates
    logger.setLevel(level)


@pytest.mark.parametrize("read", [0, 1, 2, 4])
def test_one_that_is_closed_is_given_back_begun_or_not(
    app: Flask, three_loans: Caller, read: int
) -> None:
    with app.test_request_context():
        g.request_id = "mine"
        stream = Stream(exports.of_loans(CONSOLE), FORMS["csv"](LoanOut), request)
    assert not is_given_back(app)
    chunks = iter(stream)
    for _ in range(read):
        next(chunks, None)
    stream.close()
    assert is_given_back(app)
    stream.close()
    assert is_given_back(app)


def test_one_that_is_read_to_its_end_is_given_back_before_it_is_closed(
    app: Flask, three_loans: Caller
) -> None:
    answer = three_loans.get("/loans/export")
    assert not is_given_back(app)
    assert len(answer.get_data().splitlines()) == 4
    assert is_given_back(app)


def test_a_client_that_goes_takes_no_connection_along(app: Flask, three_loans: Caller) -> None:
    for _ in range(AT_ONCE + 1):
        answer = three_loans.get("/loans/export")
        assert answer.status_code == 200
        answer.close()
    assert is_given_back(app)


def test_more_than_there_is_room_for_are_asked_to_come_back(
    app: Flask, three_loans: Caller
) -> None:
    both = [three_loans.get("/loans/export") for _ in range(AT_ONCE)]
    refused = three_loans.get("/loans/export")
    assert (refused.status_code, refused.json["code"]) == (503, "exports-busy")
    assert refused.headers["Retry-After"] == "10"
    assert execute(app, COUNTED) == (AT_ONCE,)
    assert three_loans.get("/loans/").status_code == 200
    both.pop().close()
    assert len(three_loans.get("/loans/export").data.splitlines()) == 4
    both.pop().close()


def test_what_breaks_off_is_not_ended_and_is_logged_with_its_request(
    app: Flask,
    three_loans: Caller,
    sql: psycopg.Connection[Any],
    configure: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("ERROR")
    answer = three_loans.get("/loans/export", headers={"X-Request-ID": "mine"})
    lose_the_reader(sql)
    with pytest.raises(BrokenOff) as broken:
        answer.get_data()
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["event"], line["request_id"]) == ("an export broke off", "mine")
    assert line["exception"][0]["exc_type"] == "DatabaseAway"
    assert is_given_back(app)


def test_what_fails_at_once_is_refused_as_everything_else(
    app: Flask, three_loans: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Form("text/csv", b"", lambda some: some[len(some)])
    monkeypatch.setattr(streamed, "FORMS", {"csv": lambda *_: failing})
    refused = three_loans.get("/loans/export")
    assert (refused.status_code, refused.json["code"]) == (500, "internal-server-error")
    assert is_given_back(app)
