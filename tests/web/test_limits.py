"""Limits: told before they are reached, kept across processes, and no obstacle with Redis away."""

from collections.abc import Callable
from time import time
from typing import Any

import pytest
from flask import Flask

from app.local.valkey import Valkey
from app.models import Role
from app.web.limits import Limits
from tests.attacks import routes
from tests.credentials import key_holder, refusal, session_of
from tests.factories import PASSWORD, Caller, Lender

TOO_MANY = (429, "too-many")
WRONG = {"email": "nobody@lender.example.com", "password": "not the password"}
NOWHERE = "redis://127.0.0.1:9"  # the discard port: nobody listens

Make = Callable[..., Flask]


@pytest.fixture(autouse=True)
def midway(clean: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a window, whose end no test may meet, and nothing told but by `share`."""
    moment = time() // 60 * 60 + 30
    monkeypatch.setattr("app.cache.counts.time", lambda: moment)
    monkeypatch.setattr("app.cache.counts.PAUSE_SECONDS", 3600)


def at(address: str) -> dict[str, Any]:
    return {"environ_overrides": {"REMOTE_ADDR": address}}


def told(answer: Any) -> tuple[int, int]:
    """The limit and what is left of it, which must have its time."""
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 60
    return int(answer.headers["RateLimit-Limit"]), int(answer.headers["RateLimit-Remaining"])


def must_be_refused(answer: Any) -> None:
    assert refusal(answer) == TOO_MANY
    assert told(answer)[1] == 0
    assert 0 < int(answer.headers["Retry-After"]) <= 60


def share(*apps: Flask) -> None:
    """What each does every second."""
    for app in apps:
        app.extensions["limits"]._counts.tell()


# -- by address


def test_an_address_has_its_limit_whatever_it_asks_for(make_app: Make, admin: Caller) -> None:
    anyone = Caller(make_app(RATELIMIT_ADDRESS="4/minute"))
    paths = ["/", "/nowhere", "/openapi.json"]
    assert [told(anyone.get(path)) for path in paths] == [(4, 3), (4, 2), (4, 1)]
    assert anyone.get("/loans/").status_code == 401
    must_be_refused(anyone.get("/loans/", headers=admin.headers))
    assert anyone.get("/", **at("192.0.2.7")).status_code == 200


def test_forged_headers_make_no_other_address(make_app: Make) -> None:
    anyone = Caller(make_app(RATELIMIT_ADDRESS="2/minute", TRUSTED_PROXIES="10.0.0.0/8"))
    forged = [
        anyone.get(
            "/", headers={"X-Forwarded-For": f"198.51.100.{n}", "Forwarded": f"for=10.1.1.{n}"}
        )
        for n in range(4)
    ]
    assert [answer.status_code for answer in forged] == [200, 200, 429, 429]
    through = [
        anyone.get("/", headers={"X-Forwarded-For": f"198.51.100.{n}"}, **at("10.0.0.2"))
        for n in range(4)
    ]
    assert [answer.status_code for answer in through] == [200] * 4


def test_a_network_of_ipv6_is_one_address(make_app: Make) -> None:
    anyone = Caller(make_app(RATELIMIT_ADDRESS="2/minute"))
    answers = [anyone.get("/", **at(f"2001:db8::{n}")) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


def test_addresses_of_ipv4_in_the_form_of_ipv6_are_not_one(make_app: Make) -> None:
    anyone = Caller(make_app(RATELIMIT_ADDRESS="1/minute"))
    answers = [anyone.get("/", **at(f"::ffff:192.0.2.{n}")) for n in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    must_be_refused(anyone.get("/", **at("192.0.2.1")))


def test_whoever_looks_whether_the_service_is_well_is_never_refused(make_app: Make) -> None:
    anyone = Caller(make_app(RATELIMIT_ADDRESS="1/minute"))
    for _ in range(3):
        assert anyone.get("/healthz").status_code == anyone.get("/ping").status_code == 200
    assert anyone.get("/").status_code == 200


# -- by caller


def test_a_caller_has_its_limit_wherever_it_calls_from(
    make_app: Make, admin: Caller, officer: Caller
) -> None:
    app = make_app(RATELIMIT_CALLER="3/minute")
    callers = [Caller(app, each.headers) for each in (admin, officer)]
    key = Caller(app, key_holder(admin, Role.OFFICER).headers)
    for caller in (*callers, key):
        answers = [caller.get("/customers/", **at(f"192.0.2.{n}")) for n in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429]
        must_be_refused(answers[-1])


def test_a_new_session_is_the_same_caller(make_app: Make, officer: Caller) -> None:
    app = make_app(RATELIMIT_CALLER="2/minute")
    holders = [Caller(app, session_of(officer)[0].headers) for _ in range(3)]
    assert [each.get("/customers/").status_code for each in holders] == [200, 200, 429]


def test_the_nearer_of_two_limits_is_told(make_app: Make, officer: Caller) -> None:
    app = make_app(RATELIMIT_ADDRESS="50/minute", RATELIMIT_CALLER="20/minute")
    assert told(Caller(app, officer.headers).get("/customers/")) == (20, 19)
    assert told(Caller(app).get("/")) == (50, 48)


def test_a_refused_request_does_nothing(make_app: Make, admin: Caller) -> None:
    app = make_app(RATELIMIT_CALLER="1/minute")
    body = {"external_id": "once"}
    assert Caller(app, admin.headers).post("/customers/", body).status_code == 201
    must_be_refused(Caller(app, admin.headers).post("/customers/", {"external_id": "twice"}))
    assert len(admin.get("/customers/").json) == 1


# -- bad credentials


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": "Bearer a.b.c"}, {"X-API-Key": "lk_nobodys"}, {"Authorization": "Basic x"}],
)
def test_bad_credentials_are_few_and_hinder_nobody_with_a_good_one(
    make_app: Make, officer: Caller, headers: dict[str, str]
) -> None:
    app = make_app(RATELIMIT_BAD_CREDENTIALS="3/minute")
    answers = [Caller(app, headers).get("/customers/") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    must_be_refused(answers[-1])
    assert Caller(app, officer.headers).get("/customers/").status_code == 200
    assert Caller(app, headers).get("/customers/", **at("192.0.2.7")).status_code == 401


# -- where secrets are guessed at


GUESSED = {
    "/auth/login": "RATELIMIT_LOGIN",
    "/auth/refresh": "RATELIMIT_REFRESH",
    "/auth/register": "RATELIMIT_REGISTER",
    "/auth/users/me/password": "RATELIMIT_SECOND_FACTOR",
    "/auth/users/me/totp": "RATELIMIT_SECOND_FACTOR",
    "/auth/users/me/totp/confirm": "RATELIMIT_SECOND_FACTOR",
    "/auth/users/me/totp/recovery-codes": "RATELIMIT_SECOND_FACTOR",
}


def test_every_route_at_which_secrets_are_guessed_at_has_a_pace() -> None:
    taking = {
        str(route.rule)
        for route in routes()
        if route.contract.body
        and {"password", "current_password", "otp"} & route.contract.body().fields.keys()
    }
    assert taking == set(GUESSED) - {"/auth/refresh"}
    for route in routes():
        assert (str(route.rule) in GUESSED) == (route.contract.pace is not None)


@pytest.mark.parametrize(("path", "setting"), GUESSED.items())
def test_a_pace_is_kept_by_address(make_app: Make, path: str, setting: str) -> None:
    app = make_app(**{setting: "3/minute"})
    answers = [Caller(app).post(path, {}) for _ in range(4)]
    assert [told(answer)[1] for answer in answers] == [2, 1, 0, 0]
    assert 429 not in {answer.status_code for answer in answers[:3]}
    must_be_refused(answers[3])
    assert Caller(app).post(path, {}, **at("192.0.2.7")).status_code != 429


def test_what_takes_one_secret_in_several_places_has_one_pace(
    make_app: Make, officer: Caller
) -> None:
    caller = Caller(make_app(RATELIMIT_SECOND_FACTOR="2/minute"), officer.headers)
    assert caller.post("/auth/users/me/totp/confirm", {"otp": "000000"}).status_code == 409
    assert caller.delete("/auth/users/me/totp", {"otp": "000000"}).status_code == 422
    must_be_refused(caller.post("/auth/users/me/totp", {"current_password": PASSWORD}))


def test_processes_share_a_pace_at_once(make_app: Make) -> None:
    apps = [make_app(RATELIMIT_LOGIN="3/minute") for _ in range(2)]
    answers = [Caller(apps[n % 2]).post("/auth/login", WRONG) for n in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2


def test_a_pace_is_kept_with_redis_away(make_app: Make) -> None:
    anyone = Caller(make_app(RATELIMIT_LOGIN="3/minute", REDIS_URL=NOWHERE))
    answers = [anyone.post("/auth/login", WRONG) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    must_be_refused(answers[-1])


def test_a_pace_is_kept_while_redis_goes_and_comes(make_app: Make, valkey: Valkey) -> None:
    app = make_app(RATELIMIT_LOGIN="3/minute", REDIS_URL=valkey.url, REDIS_TIMEOUT="0.2")
    anyone = Caller(app)
    assert anyone.post("/auth/login", WRONG).status_code == 401
    valkey.pause()
    answers = [anyone.post("/auth/login", WRONG) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [401] * 3 + [429] * 2
    valkey.resume()
    assert anyone.post("/auth/login", WRONG).status_code in (401, 429)


# -- across processes


def test_processes_learn_of_each_others_counts(make_app: Make, officer: Caller) -> None:
    apps = [make_app(RATELIMIT_CALLER="10/minute") for _ in range(2)]
    callers = [Caller(app, officer.headers) for app in apps]
    for caller in callers:
        for _ in range(5):
            assert caller.get("/customers/").status_code == 200
    share(*apps)  # of the first, before the second had told
    assert callers[0].get("/customers/").status_code == 200
    share(*apps)
    for caller in callers:
        must_be_refused(caller.get("/customers/"))


def test_what_was_told_is_not_told_again(make_app: Make, officer: Caller) -> None:
    apps = [make_app(RATELIMIT_CALLER="100/minute") for _ in range(2)]
    for _ in range(3):
        Caller(apps[0], officer.headers).get("/customers/")
        share(*apps)
    assert told(Caller(apps[0], officer.headers).get("/customers/")) == (100, 96)


def test_with_redis_away_each_process_counts_for_itself(make_app: Make, officer: Caller) -> None:
    app = make_app(RATELIMIT_CALLER="3/minute", REDIS_URL=NOWHERE)
    caller = Caller(app, officer.headers)
    for _ in range(3):
        assert caller.get("/customers/").status_code == 200
        share(app)
    must_be_refused(caller.get("/customers/"))


def test_a_window_that_is_over_is_forgotten(
    make_app: Make, officer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(RATELIMIT_CALLER="1/minute")
    caller = Caller(app, officer.headers)
    assert [caller.get("/customers/").status_code for _ in range(2)] == [200, 429]
    limits: Limits = app.extensions["limits"]
    later = time() + 61
    monkeypatch.setattr("app.cache.counts.time", lambda: later)
    assert limits._counts.tell() is False
    assert caller.get("/customers/").status_code == 200


def test_no_number_of_addresses_fills_the_memory(
    make_app: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cache.counts.MOST", 5)
    app = make_app(RATELIMIT_ADDRESS="10/minute")
    for n in range(20):
        assert Caller(app).get("/nowhere", **at(f"192.0.2.{n}")).status_code == 404
    assert len(app.extensions["limits"]._counts._counts) <= 5


# -- off


def test_limits_can_be_turned_off(make_app: Make) -> None:
    every = dict.fromkeys(("RATELIMIT_ADDRESS", *GUESSED.values()), "1/minute")
    anyone = Caller(make_app(**every, RATELIMIT_ENABLED="false"))
    answers = [anyone.post("/auth/login", {}) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {422}
    assert not any(name.startswith("RateLimit") for name, _ in answers[0].headers)


def test_by_default_they_are_ample_but_where_secrets_are_guessed_at(
    make_app: Make, lender: Lender
) -> None:
    ours = dict.fromkeys(("RATELIMIT_ADDRESS", "RATELIMIT_CALLER", *GUESSED.values()), "")
    app = make_app(**ours)
    assert told(Caller(app).get("/"))[0] == 12_000
    assert told(Caller(app, lender.user(Role.OFFICER).headers).get("/customers/"))[0] == 6_000
    assert told(Caller(app).post("/auth/login", {}))[0] == 30
