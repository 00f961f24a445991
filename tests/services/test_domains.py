"""What is known of a domain, counted anew with every change of the customers."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis

from app.config import Settings
from app.db import db, transaction
from app.models import Customer
from app.services import domains, generations
from app.services.domains import Domain
from tests.factories import Caller

Known = Callable[[str], Domain]

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def known(app: Flask) -> Iterator[Known]:
    """What a transaction finds out that begins now."""

    def look_up(domain: str) -> Domain:
        with transaction():
            return domains.look_up(domain, generations.current("customers"))

    with app.app_context():
        yield look_up


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing can be counted, only found."""
    monkeypatch.setattr(domains, "_count", lambda _: pytest.fail("it was counted again"))


def test_customers_are_counted_by_the_whole_domain_in_any_case(
    officer: Caller, known: Known
) -> None:
    for address in ("a@firm.example", "b@FIRM.example", "c@sub.firm.example"):
        officer.make_customer(email=address)
    officer.post("/customers/", {"external_id": "without an address"})
    assert known("firm.example") == Domain(2, False)
    assert known("sub.firm.example") == Domain(1, False)
    assert known("example") == Domain(0, False)


def test_what_was_counted_is_found(
    officer: Caller, known: Known, request: pytest.FixtureRequest
) -> None:
    officer.make_customer(email="a@firm.example")
    counted = known("firm.example")
    request.getfixturevalue("uncounted")
    assert known("firm.example") == counted == Domain(1, False)


def test_every_change_of_a_customers_address_is_counted(officer: Caller, known: Known) -> None:
    counts = [known("firm.example").customers]
    customer = officer.make_customer(email="a@firm.example")
    counts.append(known("firm.example").customers)
    officer.make_customer(email="b@firm.example")
    counts.append(known("firm.example").customers)
    officer.patch(f"/customers/{customer['id']}", {"email": "a@elsewhere.example"})
    counts.append(known("firm.example").customers)
    officer.patch(f"/customers/{customer['id']}", {"email": "a@firm.example"})
    counts.append(known("firm.example").customers)
    officer.delete(f"/customers/{customer['id']}")
    counts.append(known("firm.example").customers)
    assert counts == [0, 1, 2, 1, 2, 1]


def test_a_count_that_was_rolled_back_is_found_by_nobody(officer: Caller, known: Known) -> None:
    officer.make_customer(email="a@firm.example")
    customer = Customer(email="b@firm.example", external_id="lost", created_by=uuid4())

    def interrupted() -> None:
        with transaction():
            db.session.add(customer)
            db.session.flush()
            generation = generations.current("customers")
            assert domains.look_up("firm.example", generation).customers == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert known("firm.example").customers == 1


def test_without_a_generation_nothing_is_kept(
    app: Flask, officer: Caller, settings: Settings
) -> None:
    officer.make_customer(email="a@yopmail.com")
    with app.app_context(), Redis.from_url(settings.redis_url) as redis:
        assert domains.look_up("yopmail.com", None) == Domain(1, True)
        assert redis.keys("*domain*") == []


def test_another_list_is_asked_anew(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known("yopmail.com").is_disposable
    monkeypatch.setattr(domains, "blocklist", {"firm.example"})
    assert known("yopmail.com").is_disposable
    monkeypatch.setattr(domains, "LIST", "the next")
    assert not known("yopmail.com").is_disposable
    assert known("firm.example").is_disposable


@pytest.mark.parametrize(
    ("domain", "is_disposable"),
    [
        ("yopmail.com", True),
        ("inbox.yopmail.com", True),
        ("a.b.yopmail.com", True),
        ("notyopmail.com", False),
        ("yopmail.com.example", False),
        ("example.com", False),
        ("xn--yaho-sqa.com", True),
        ("yahóo.com", True),
        ("post.yahóo.com", True),
        ("com", False),
        ("", False),
        ("under_score.yopmail.com", True),
        ("two..dots", False),
    ],
)
def test_a_domain_is_thrown_away_with_what_lies_under_it(domain: str, is_disposable: bool) -> None:
    assert domains.is_disposable(domain) is is_disposable


def test_a_listed_top_level_is_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "blocklist", {"com"})
    assert not domains.is_disposable("example.com")
