"""Other sites' pages: those that are listed may call, and nobody's cookies go with it."""

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

OURS = "https://console.lender.example"
THEIRS = "https://console.lender.example.evil.example"


@pytest.fixture
def client(make_app: Callable[..., Flask]) -> FlaskClient:
    return make_app(CORS_ORIGINS=f"{OURS}, https://b.example:8443").test_client()


def preflight(
    client: FlaskClient, origin: str, method: str = "PATCH", path: str = "/loans/x"
) -> dict[str, str]:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization,idempotency-key,x-evil",
    }
    answer = client.options(path, headers=asked)
    assert answer.status_code == 200
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origin", [OURS, "https://b.example:8443"])
def test_a_listed_origin_may_send_what_the_service_reads(client: FlaskClient, origin: str) -> None:
    allowed = preflight(client, origin)
    assert allowed["Access-Control-Allow-Origin"] == origin
    assert allowed["Access-Control-Allow-Headers"] == "authorization, idempotency-key"
    assert "PATCH" in allowed["Access-Control-Allow-Methods"]
    assert "PUT" not in allowed["Access-Control-Allow-Methods"]
    assert allowed["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize(
    "origin",
    [THEIRS, "http://console.lender.example", f"{OURS}:444", "https://b.example", "null", ""],
)
def test_another_origin_may_nothing(client: FlaskClient, origin: str) -> None:
    assert preflight(client, origin) == {}
    answer = client.get("/healthz", headers={"Origin": origin})
    assert not any(name.startswith("Access-Control-") for name, _ in answer.headers)


def test_a_refusal_can_be_read_by_the_page_that_was_refused(client: FlaskClient) -> None:
    answer = client.get("/loans/", headers={"Origin": OURS})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "Origin" in answer.headers["Vary"]
    readable = answer.headers["Access-Control-Expose-Headers"]
    assert {"ETag", "Retry-After", "RateLimit-Remaining"} <= set(readable.split(", "))


@pytest.mark.parametrize("origins", [OURS, "*"])
def test_no_origin_gets_the_visitors_cookies(make_app: Callable[..., Flask], origins: str) -> None:
    client = make_app(CORS_ORIGINS=origins).test_client()
    for answer in (
        client.get("/healthz", headers={"Origin": OURS}),
        client.options("/", headers={"Origin": OURS, "Access-Control-Request-Method": "GET"}),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == origins
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_a_list_no_page_of_another_site_may_call(make_app: Callable[..., Flask]) -> None:
    assert preflight(make_app().test_client(), OURS) == {}
