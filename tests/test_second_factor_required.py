"""Every route, for admins who have to have a second factor: with one, and without.

A new route is closed to those who have none, unless its contract and OPEN say otherwise.
"""

import json
from collections.abc import Iterator

import pytest
from flask import Flask

from app import config, create_app
from app.config import Settings
from app.web.identity import Credential
from tests.attacks import Route, World, routes
from tests.conftest import disconnect, quiet, sweep
from tests.credentials import refusal
from tests.factories import Caller

REQUIRED = (403, "second-factor-required")
# What is left to an admin who has none.
OPEN = {
    "POST /auth/logout",
    "GET /auth/users/me",
    "PATCH /auth/users/me",
    "POST /auth/users/me/password",
    "POST /auth/users/me/totp",
    "DELETE /auth/users/me/totp",
    "POST /auth/users/me/totp/confirm",
    "POST /auth/users/me/totp/recovery-codes",
}
ASKING_WHO = [
    route
    for route in routes()
    if route.contract.credential not in (Credential.NONE, Credential.REFRESH)
]
CLOSED = [route for route in ASKING_WHO if str(route) not in OPEN]
each_closed = pytest.mark.parametrize("route", CLOSED, ids=str)


@pytest.fixture(scope="module")
def strict(environ: dict[str, str]) -> Iterator[Flask]:
    app = quiet(create_app(config.load({**environ, "REQUIRE_ADMIN_TOTP": "true"})))
    yield app
    disconnect(app)


@pytest.fixture(scope="module")
def world(app: Flask, settings: Settings) -> Iterator[World]:
    yield World(app)
    sweep(app, settings)


def test_what_is_left_open_is_there_and_says_so() -> None:
    assert {str(route) for route in ASKING_WHO if not route.contract.needs_totp} == OPEN


@each_closed
def test_without_one_an_admin_is_refused_whatever_they_ask(
    world: World, strict: Flask, route: Route
) -> None:
    admin, before = Caller(strict, world.admin.headers), world.fingerprint()
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    for headers in ({}, {"Idempotency-Key": "a key"}):
        for sent in (body, "{"):
            answer = world.send(route, sent, caller=admin, headers=headers)
            assert refusal(answer) == REQUIRED
    assert world.fingerprint() == before


@each_closed
def test_with_one_an_admin_is_not(world: World, strict: Flask, route: Route) -> None:
    answer = world.send(route, "{", caller=Caller(strict, world.protected.headers))
    assert answer.status_code < 400 or refusal(answer) != REQUIRED
    assert answer.status_code != 401
