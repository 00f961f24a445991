"""A client generated from the OpenAPI document finds nothing that the document does not say.

This is the short form of `python -m tests.fuzz`; it always sends the same requests.
"""

import pytest
from flask import Flask

from app.errors import Stale
from tests.attacks import Route, routes
from tests.fuzz import fuzz, report, served

KINDS_OF_ANSWER = {200, 201, 204, 400, 401, 404, 405, 409, 412, 415, 422}


def test_the_service_keeps_to_its_document(
    app: Flask, environ: dict[str, str], clean: None
) -> None:
    """One test, for it is one run: workers beside each other would each make their own."""
    with served(environ) as url:
        outcome = fuzz(app, url, seed=1, examples=5)
    assert not outcome.failures, report(outcome)
    assert outcome.bugs == 0, report(outcome)
    assert {"coverage", "fuzzing", "stateful"} <= set(outcome.phases)
    assert set(outcome.statuses) >= KINDS_OF_ANSWER, "the requests do not reach deep enough"


@pytest.mark.parametrize("route", routes(), ids=str)
def test_a_route_says_412_just_when_it_honours_if_match(route: Route) -> None:
    assert route.contract.conditional == (Stale in route.contract.raises)
