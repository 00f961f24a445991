"""What is known of a domain, counted anew with every change of the customers."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import delete

from app.config import Settings
from app.db import db, transaction
from app.models import Customer, Generation
from app.services import domains
from tests.factories import Caller

Counted = Callable[[str], int]

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def counted(app: Flask) -> Iterator[Counted]:
    """What a transaction finds out that begins now."""

    def count(domain: str) -> int:
        with transaction():
            return domains.customers(domain)

    with app.app_context():
        yield count


def test_customers_are_counted_by_the_whole_domain_in_any_case(
    officer: Caller, counted: Counted
) -> None:
    for address in ("a@firm.example", "b@FIRM.example", "c@sub.firm.example"):
        officer.make_customer(email=address)
    officer.post("/customers/", {"external_id": "without an address"})
    found = [counted(domain) for domain in ("firm.example", "sub.firm.example", "example")]
    assert found == [2, 1, 0]


def test_what_was_counted_is_found(
    officer: Caller, counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer.make_customer(email="a@firm.example")
    assert counted("firm.example") == 1
    monkeypatch.setattr(domains, "_count", lambda _: pytest.fail("it was counted again"))
    assert counted("firm.example") == 1


def test_every_change_of_a_customers_address_is_counted(officer: Caller, counted: Counted) -> None:
    counts = [counted("firm.example")]
    customer = officer.make_customer(email="a@firm.example")
    counts.append(counted("firm.example"))
    officer.make_customer(email="b@firm.example")
    counts.append(counted("firm.example"))
    officer.patch(f"/customers/{customer['id']}", {"email": "a@elsewhere.example"})
    counts.append(counted("firm.example"))
    officer.patch(f"/customers/{customer['id']}", {"email": "a@firm.example"})
    counts.append(counted("firm.example"))
    officer.delete(f"/customers/{customer['id']}")
    counts.append(counted("firm.example"))
    assert counts == [0, 1, 2, 1, 2, 1]


def test_a_count_that_was_rolled_back_is_found_by_nobody(officer: Caller, counted: Counted) -> None:
    officer.make_customer(email="a@firm.example")
    customer = Customer(email="b@firm.example", external_id="lost", created_by=uuid4())

    def interrupted() -> None:
        with transaction():
            db.session.add(customer)
            db.session.flush()
            assert domains.customers("firm.example") == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert counted("firm.example") == 1


def test_without_a_generation_nothing_is_kept(
    officer: Caller, counted: Counted, settings: Settings
) -> None:
    officer.make_customer(email="a@firm.example")
    with transaction():
        db.session.execute(delete(Generation))
    with Redis.from_url(settings.redis_url) as redis:
        assert counted("firm.example") == 1
        assert redis.keys("*domain*") == []


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
