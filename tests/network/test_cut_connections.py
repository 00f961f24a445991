"""The connection to PostgreSQL cut in every request that moves money: all of it is done or nothing,
and whoever sends it again with the same Idempotency-Key has it done once.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.factories import Caller
from tests.figures import report
from tests.network.deeds import DEEDS, Books, Deed, Request, books_of
from tests.network.proxy import Plan, Proxy, Statement, after, before, passing, proxied

# Where it was cut, by deed.
points: Counter[str] = Counter()
every_deed = pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)


@dataclass(frozen=True)
class Bank:
    """A service whose database is behind the proxy, and the books as they really are."""

    admin: Caller
    proxied: Caller
    proxy: Proxy

    def send(self, request: Request, key: str, plan: Plan = passing) -> TestResponse:
        """The answer; what it took of statements is then `said`. It finds the connection open."""
        assert self.proxied.get("/ping").status_code == 200
        self.proxy.watch(plan)
        return self.proxied.post(request.path, request.body, headers={"Idempotency-Key": key})

    @property
    def said(self) -> list[Statement]:
        return self.proxy.seen

    def books(self, request: Request) -> Books:
        return books_of(self.admin.app, request.customer)

    def books_after(self, deed: Deed) -> Books:
        """As they are where nothing is cut."""
        request = deed(self.admin)
        assert is_done_now(self.send(request, str(uuid4())))
        return self.books(request)


def is_done_now(answer: TestResponse) -> bool:
    return answer.status_code in (200, 201) and "Idempotency-Replayed" not in answer.headers


@pytest.fixture(scope="module")
def proxy(environ: dict[str, str]) -> Iterator[Proxy]:
    with proxied(environ["DATABASE_URL"]) as proxy:
        yield proxy


@pytest.fixture
def bank(admin: Caller, proxy: Proxy, make_app: Callable[..., Flask]) -> Bank:
    service = make_app(DATABASE_URL=proxy.url)
    bank = Bank(admin, Caller(service, admin.headers, admin.user), proxy)
    # It knows by now the key that the token is signed with, which it asks for once.
    assert bank.proxied.get("/auth/users/me").status_code == 200
    return bank


@every_deed
def test_what_was_committed_before_the_connection_was_cut_is_replayed(
    bank: Bank, deed: Deed
) -> None:
    request, key = deed(bank.admin), str(uuid4())
    done = bank.books_after(deed)
    assert bank.send(request, key, after("COMMIT")).status_code == 503
    assert bank.said[-1].tag == "COMMIT"
    assert bank.books(request) == done
    again, yet_again = bank.send(request, key), bank.send(request, key)
    assert (again.status_code < 300, again.headers["Idempotency-Replayed"]) == (True, "true")
    assert again.data == yet_again.data
    assert bank.books(request) == done


@every_deed
def test_what_was_cut_off_before_its_commit_is_done_by_the_retry(bank: Bank, deed: Deed) -> None:
    request, key = deed(bank.admin), str(uuid4())
    untouched, done = bank.books(request), bank.books_after(deed)
    assert bank.send(request, key, before("COMMIT")).status_code == 503
    assert bank.books(request) == untouched
    assert is_done_now(bank.send(request, key))
    assert bank.books(request) == done


@every_deed
def test_a_connection_cut_after_any_statement_leaves_nothing_half_done(
    bank: Bank, deed: Deed
) -> None:
    done = bank.books_after(deed)
    *statements, last = bank.said
    assert last.text == "COMMIT"
    for statement in statements:
        request, key = deed(bank.admin), str(uuid4())
        untouched = bank.books(request)
        answer = bank.send(request, key, after(statement.number))
        assert answer.status_code == 503, statement
        assert bank.books(request) == untouched, statement
        assert is_done_now(bank.send(request, key)), statement
        assert bank.books(request) == done, statement
        points[deed.__name__] += 1
    report("connections cut after every statement", deeds=len(points), points=points.total())


def test_a_database_that_refuses_connections_is_told_as_away(
    bank: Bank, make_app: Callable[..., Flask]
) -> None:
    with proxied(bank.proxy.url) as short_lived:
        url = short_lived.url
    service = Caller(make_app(DATABASE_URL=url), bank.admin.headers)
    request = DEEDS[0](bank.admin)
    answer = service.post(request.path, request.body, headers={"Idempotency-Key": "refused"})
    assert (answer.status_code, answer.json["code"]) == (503, "database-away")
