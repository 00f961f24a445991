"""Refusals under an Idempotency-Key: kept, unless anyone could fill the database with them."""

from flask import Flask
from werkzeug.test import TestResponse

from app.web.idempotency import LONGEST_REFUSAL, REPLAYED
from tests.credentials import execute
from tests.factories import Caller


def refused(caller: Caller, fields: int) -> TestResponse:
    """A registration whose body has so many fields that nobody knows."""
    body = {f"unknown {number}": number for number in range(fields)}
    answer: TestResponse = caller.post("/auth/register", body, headers={"Idempotency-Key": "1"})
    assert answer.status_code == 422
    assert REPLAYED not in answer.headers
    return answer


def kept(app: Flask) -> tuple[int, ...]:
    return tuple(execute(app, "SELECT count(*), sum(length(answer)) FROM kept_answers"))


def test_a_refusal_of_a_caller_is_kept(app: Flask, officer: Caller) -> None:
    answer = refused(officer, 100)
    number, length = kept(app)
    assert (number, length > len(answer.data)) == (1, True)


def test_nothing_is_kept_of_what_nobody_in_particular_is_refused(
    app: Flask, anyone: Caller
) -> None:
    refused(anyone, 1)
    assert kept(app) == (0, None)


def test_a_refusal_as_long_as_its_request_is_not_kept(app: Flask, officer: Caller) -> None:
    assert len(refused(officer, 1_000).data) > LONGEST_REFUSAL
    assert kept(app) == (0, None)
