"""A client generated from the OpenAPI document finds nothing that the document does not say.

This is the short form of `python -m tests.fuzz`; it always sends the same requests.
"""

from collections.abc import Iterator

import pytest
from flask import Flask

from app.config import Settings
from app.errors import Stale
from tests.attacks import Route, routes
from tests.conftest import sweep
from tests.fuzz import Outcome, fuzz, report, served


@pytest.fixture(scope="module")
def outcome(app: Flask, environ: dict[str, str], settings: Settings) -> Iterator[Outcome]:
    with served(environ) as url:
        yield fuzz(app, url, seed=1, examples=5)
    sweep(app, settings)


def test_the_service_keeps_to_its_document(outcome: Outcome) -> None:
    assert not outcome.failures, report(outcome)


def test_no_generated_request_is_answered_with_a_bug(outcome: Outcome) -> None:
    assert outcome.bugs == 0, report(outcome)


def test_every_phase_has_sent_requests(outcome: Outcome) -> None:
    assert {"coverage", "fuzzing", "stateful"} <= set(outcome.phases)


@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 404, 405, 409, 412, 415, 422])
def test_the_requests_reach_deep_enough_to_meet_each_kind_of_answer(
    outcome: Outcome, status: int
) -> None:
    assert outcome.statuses[status] > 0


@pytest.mark.parametrize("route", routes(), ids=str)
def test_a_route_says_412_just_when_it_honours_if_match(route: Route) -> None:
    assert route.contract.conditional == (Stale in route.contract.raises)
