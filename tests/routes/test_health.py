"""Alive, ready, measured."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.factories import Caller

NOWHERE = "127.0.0.1:9"  # the discard port: nobody listens


def test_it_lives(anyone: Caller) -> None:
    answer = anyone.get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_it_is_ready_when_both_servers_answer(anyone: Caller) -> None:
    answer = anyone.get("/ping")
    assert (answer.status_code, answer.json) == (200, {"pong": True, "db": "ok", "cache": "ok"})


def test_without_a_cache_it_is_still_ready(make_app: Callable[..., Flask]) -> None:
    answer = make_app(REDIS_URL=f"redis://{NOWHERE}").test_client().get("/ping")
    assert (answer.status_code, answer.json) == (200, {"pong": True, "db": "ok", "cache": "down"})


def test_without_a_database_it_is_not_ready_but_lives(make_app: Callable[..., Flask]) -> None:
    client = make_app(DATABASE_URL=f"postgresql://u@{NOWHERE}/d").test_client()
    answer = client.get("/ping")
    assert (answer.status_code, answer.json) == (503, {"pong": False, "db": "down", "cache": "ok"})
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/healthz").status_code == 200
    assert "database: down" in client.get("/").text


def test_without_a_database_every_call_says_so(
    make_app: Callable[..., Flask], admin: Caller
) -> None:
    client = make_app(DATABASE_URL=f"postgresql://u@{NOWHERE}/d").test_client()
    refused = client.get("/loans/", headers=admin.headers)
    assert (refused.status_code, refused.json["code"]) == (503, "database-away")
    assert refused.headers["Retry-After"] == "1"
    assert refused.content_type == "application/problem+json"
    login = client.post("/auth/login", json={"email": "a@example.com", "password": "whatever"})
    assert login.status_code == 503


@pytest.mark.parametrize(
    ("headers", "address", "status"),
    [
        ({}, "127.0.0.1", 200),
        ({}, "::ffff:127.0.0.1", 200),
        ({}, "10.0.0.7", 403),
        ({}, "::ffff:10.0.0.7", 403),
        ({}, "", 403),
        ({"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1", 403),
        ({"Forwarded": "for=127.0.0.1"}, "127.0.0.1", 403),
        ({"X-Real-IP": "127.0.0.1"}, "127.0.0.1", 403),
        ({"Via": "1.1 proxy"}, "127.0.0.1", 403),
        ({"X-Forwarded-Host": "loans.example"}, "127.0.0.1", 403),
        ({"X-Forwarded-For": "127.0.0.1"}, "10.0.0.7", 403),
        ({"Authorization": "Bearer the-token"}, "10.0.0.7", 200),
        ({"Authorization": "Bearer the-tokem"}, "10.0.0.7", 403),
        ({"Authorization": "Bearer "}, "10.0.0.7", 403),
        ({"Authorization": "Basic the-token"}, "10.0.0.7", 403),
        ({"Authorization": "Bearer the-token", "Via": "1.1 proxy"}, "127.0.0.1", 200),
    ],
)
def test_metrics_are_for_the_token_or_this_machine(
    make_app: Callable[..., Flask], headers: dict[str, str], address: str, status: int
) -> None:
    client = make_app(METRICS_TOKEN="the-token").test_client()
    answer = client.get("/metrics", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status


def test_no_token_is_not_an_empty_token(make_app: Callable[..., Flask]) -> None:
    asked = {"headers": {"Authorization": "Bearer "}, "environ_overrides": {"REMOTE_ADDR": "::2"}}
    assert make_app(METRICS_TOKEN="").test_client().get("/metrics", **asked).status_code == 403


def test_requests_are_counted_by_route_and_status(anyone: Caller) -> None:
    anyone.get("/loans/some-id")
    text = anyone.get("/metrics").text
    assert 'loans_http_requests_total{method="GET",route="/loans/<ref>",status="401"}' in text
    assert 'loans_http_request_seconds_count{route="/loans/<ref>"}' in text
    assert "some-id" not in text
