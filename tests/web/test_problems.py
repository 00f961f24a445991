"""What cannot be done for want of connections is refused as a problem, and changes nothing."""

import json
from collections.abc import Callable

import pytest
from flask import Flask

from app.db import db
from app.web.identity import Credential
from tests.attacks import Route, World, refusal, routes
from tests.factories import Caller

# The others ask the database nothing, or log in.
ASKING = [route for route in routes() if route.contract.credential is not Credential.NONE]


@pytest.mark.parametrize("route", ASKING, ids=str)
def test_without_a_connection_to_spare_every_route_is_busy(
    app: Flask, make_app: Callable[..., Flask], clean: None, route: Route
) -> None:
    world = World(app)
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    before = world.fingerprint()
    crowded = make_app(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="0.1")
    with crowded.app_context():
        engine = db.engine
    caller = Caller(crowded, world.caller(route).headers)
    with engine.connect():
        answer = world.send(route, body, caller=caller)
    assert (refusal(answer), answer.json["code"]) == (503, "database-busy")
    assert answer.headers["Retry-After"] == "1"
    assert world.fingerprint() == before
