"""Whom a request comes from: what our proxies say, and nobody else."""

from typing import Any

import pytest

from app import config
from app.web.proxies import Proxies

PROXIES = "10.0.0.0/8, 192.0.2.1, 2001:db8:1::/48"
CLIENT = "198.51.100.7"


def seen(peer: str, trusted: str = PROXIES, **headers: str) -> dict[str, Any]:
    """What the service is told of a request that came from `peer` with these headers."""
    environ: dict[str, Any] = {
        "REMOTE_ADDR": peer,
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "inside:8000",
        **{f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()},
    }
    told: dict[str, Any] = {}

    def service(environ: dict[str, Any], _: Any) -> list[bytes]:
        told.update(environ)
        return []

    settings = config.load(
        {"DATABASE_URL": "postgresql://", "REDIS_URL": "redis://", "TRUSTED_PROXIES": trusted}
    )
    Proxies(service, settings.trusted_proxies)(environ, lambda *_: lambda _: None)
    return told


@pytest.mark.parametrize(
    ("said", "client"),
    [
        (CLIENT, CLIENT),
        (f"203.0.113.9, {CLIENT}", CLIENT),  # what it sent itself stands to the left
        (f"127.0.0.1,10.9.9.9, {CLIENT}", CLIENT),
        (f"{CLIENT}, 192.0.2.1, 10.1.2.3", CLIENT),  # through three of ours
        (f"unknown, {CLIENT}", CLIENT),
        ("10.7.7.7", "10.7.7.7"),  # one of ours asks for itself
        ("10.7.7.7, 10.8.8.8", "10.7.7.7"),
        (f"{CLIENT}, garbage", "10.0.0.2"),  # no address: as far as the chain holds
        (f"{CLIENT}, garbage, 10.3.3.3", "10.3.3.3"),
        ("", "10.0.0.2"),
        (f"{CLIENT},", "10.0.0.2"),
        ("2001:db8:2::7", "2001:db8:2::7"),
        ("fe80::7%eth0", "fe80::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{CLIENT}:4711", "10.0.0.2"),
    ],
)
def test_the_last_address_that_is_not_ours_is_the_client(said: str, client: str) -> None:
    assert seen("10.0.0.2", **{"for": said})["REMOTE_ADDR"] == client


@pytest.mark.parametrize("peer", ["10.0.0.2", "192.0.2.1", "2001:db8:1::5", "::ffff:10.0.0.2"])
def test_our_proxies_are_believed(peer: str) -> None:
    told = seen(peer, **{"for": CLIENT}, proto="https", host="loans.lender.example")
    assert told["REMOTE_ADDR"] == CLIENT
    assert told["wsgi.url_scheme"] == "https"
    assert told["HTTP_HOST"] == "loans.lender.example"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("192.0.2.2", PROXIES),
        ("11.0.0.1", PROXIES),
        ("127.0.0.1", PROXIES),
        ("2001:db8:2::5", PROXIES),
        ("", PROXIES),
        ("no address", PROXIES),
        ("127.0.0.1", ""),
    ],
)
def test_nobody_elses_headers_change_anything(peer: str, trusted: str) -> None:
    told = seen(peer, trusted, **{"for": "10.0.0.1"}, proto="https", host="evil.example")
    assert told["REMOTE_ADDR"] == peer
    assert told["wsgi.url_scheme"] == "http"
    assert told["HTTP_HOST"] == "inside:8000"


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        ("https, http", "http"),
        ("ftp", "http"),
        ("", "http"),
    ],
)
def test_the_scheme_is_one_that_there_is(proto: str, scheme: str) -> None:
    assert seen("10.0.0.2", proto=proto)["wsgi.url_scheme"] == scheme


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ("loans.example", "loans.example"),
        ("loans.example:8443", "loans.example:8443"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("evil.example, loans.example", "loans.example"),
        ("loans.example/evil", "inside:8000"),
        ("user@loans.example", "inside:8000"),
        ("", "inside:8000"),
    ],
)
def test_the_host_is_one_that_there_can_be(said: str, host: str) -> None:
    assert seen("10.0.0.2", host=said)["HTTP_HOST"] == host
