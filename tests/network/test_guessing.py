"""Guessing at a password from many addresses, under forged headers, through gunicorn."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.local.server import LOOPBACK
from app.models import Role
from tests.factories import PASSWORD, Caller, Lender
from tests.serving import Service, served

GUESSES = 1_000
ADDRESSES = 200
HOME = "127.0.0.1"
# Each of these is this machine, and another address to the service.
AWAY = [f"127.0.{n // 250 + 1}.{n % 250 + 1}" for n in range(ADDRESSES)]
ELSEWHERE = "127.0.9.9"
WRONG = "not the password"
LIMIT = 3_000


@pytest.fixture
def service(environ: dict[str, str], clean: None) -> Iterator[Service]:
    """As it is by default."""
    ours = {name: value for name, value in environ.items() if not name.startswith("RATELIMIT_")}
    with served(ours) as running:
        yield running


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.OFFICER, email="ada.king@lender.example.com")


def enter(service: Service, email: str, password: str, source: str, said: int = 0) -> int:
    """The status of a log-in from that address, whose headers say that it comes from another."""
    forged = {
        "X-Forwarded-For": f"203.0.113.{said % 250}, 198.51.{said % 250}.7",
        "X-Real-IP": f"203.0.113.{said % 250}",
        "Forwarded": f"for=203.0.113.{said % 250}",
        "Content-Type": "application/json",
    }
    client = http.client.HTTPConnection(LOOPBACK, service.port, 30, source_address=(source, 0))
    try:
        body = json.dumps({"email": email, "password": password})
        client.request("POST", "/auth/login", body, forged)
        return client.getresponse().status
    finally:
        client.close()


def guessed(service: Service, email: str, sources: list[str]) -> Counter[int]:
    """What GUESSES from these addresses in turn are answered."""
    with ThreadPoolExecutor(8) as pool:
        return Counter(
            pool.map(
                lambda n: enter(service, email, WRONG, sources[n % len(sources)], n),
                range(GUESSES),
            )
        )


def test_a_thousand_guesses_from_everywhere_are_few_and_keep_no_one_from_home(
    service: Service, ada: Caller
) -> None:
    email = ada.user.email
    assert enter(service, email, PASSWORD, HOME) == 200
    answers = guessed(service, email, AWAY)
    assert set(answers) == {401, 429}
    assert answers[401] <= 31  # thirty, and what comes back in the seconds that it takes
    assert enter(service, email, PASSWORD, HOME) == 200


def test_a_thousand_guesses_from_one_address_keep_no_one_out_elsewhere(
    service: Service, ada: Caller
) -> None:
    email = ada.user.email
    answers = guessed(service, email, [AWAY[0]])
    assert set(answers) == {401, 429}
    assert answers[401] <= 11
    assert enter(service, email, PASSWORD, ELSEWHERE) == 200
    assert enter(service, email, PASSWORD, AWAY[0]) == 429


def test_a_thousand_guesses_at_many_e_mails_from_one_address_are_few(service: Service) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(
            pool.map(
                lambda n: enter(service, f"user{n}@lender.example.com", WRONG, AWAY[0], n),
                range(GUESSES),
            )
        )
    assert set(answers) == {401, 429}
    assert answers[401] <= 2 * 30  # a minute's, or two minutes' where it takes so long


def test_processes_tell_each_other_what_a_caller_has_asked(
    environ: dict[str, str], officer: Caller
) -> None:
    with served({**environ, "RATELIMIT_CALLER": f"{LIMIT}/hour"}, workers=3) as running:

        def until_refused(_: int) -> int:
            for number in range(10_000):  # each time over a connection of its own
                with running.client(officer.headers) as client:
                    if client.get("/auth/users/me").status == 429:
                        return number
            return 10_000

        with ThreadPoolExecutor(6) as pool:
            accepted = sum(pool.map(until_refused, range(6)))
    # Not thrice as many: what came in the second before they had told each other is too many.
    assert LIMIT <= accepted < 2 * LIMIT
