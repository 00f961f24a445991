"""What reading anything asks PostgreSQL: a look or two, however much there is to show.

The credential is among it. A route that is missing here fails, and so does one that is gone.
"""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.config import Settings
from app.models import Role
from app.services import listing
from tests.attacks import Route, query, routes
from tests.conftest import sweep
from tests.credentials import key_holder
from tests.factories import Caller
from tests.filters import LISTED
from tests.lists import LARGEST, Book

# At most so many statements; of an export, which goes on record, before its rows are fetched.
READ, LIST, EXPORT = 2, 4, 5
AT_MOST = {
    "/": 1,
    "/healthz": 0,
    "/ping": 1,
    "/metrics": 2,
    "/openapi.json": 0,
    "/swagger/": 0,
    "/swagger/assets/<path:name>": 0,
    "/redoc/": 0,
    "/redoc/assets/<path:name>": 0,
    "/auth/users": 3,
    "/auth/users/me": 2,
    "/auth/users/<uuid:user_id>": 2,
    "/auth/api-keys": 3,
    "/customers/": 4,
    "/customers/export": 5,
    "/customers/<ref>": 1,
    "/customers/<ref>/balance": 1,
    "/customers/<ref>/account/": 2,
    "/customers/imports": 3,
    "/customers/imports/<uuid:import_id>": 2,
    "/customers/imports/<uuid:import_id>/errors": 4,
    "/customers/<ref>/account/entries": 4,
    "/loans/": 2,
    "/loans/export": 5,
    "/loans/<ref>": 1,
    "/loans/<ref>/history": 2,
    "/loans/<ref>/flags": 2,
    "/loans/<ref>/risk": 1,
    "/payments/": 2,
    "/payments/export": 5,
    "/payments/<ref>": 1,
    "/reports/portfolio": 2,
    "/reports/audit": 2,
}
ROUTES = [route for route in routes() if route.method == "GET"]
LISTS = [route for route in ROUTES if route.contract.is_list]
CACHED = [route for route in ROUTES if route.contract.cached]


@pytest.fixture(scope="module")
def book(app: Flask, settings: Settings) -> Iterator[Book]:
    """With a loan that has flags, and a payment that has details, where a path names one."""
    book = Book(app)
    book.records["loan"] = book.records["flagged"]
    yield book
    sweep(app, settings)


@pytest.fixture
def callers(book: Book, make_app: Callable[..., Flask]) -> list[Caller]:
    """Of every kind, each known to the service by now: that a key was used is noted each minute."""
    app = make_app(CACHE_ENABLED="false")
    callers = [
        *(book.admin, book.applicant, book.lender.user(Role.OFFICER)),
        *(key_holder(book.admin, role) for role in (Role.OFFICER, Role.APPLICANT)),
    ]
    uncached = [Caller(app, each.headers, each.user) for each in callers]
    for each in uncached:
        assert each.get("/customers/").status_code == 200
    return uncached


def each(wanted: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", wanted, ids=str)


def test_every_route_that_reads_has_its_line() -> None:
    assert {route.rule.rule for route in ROUTES} == set(AT_MOST)
    for route in ROUTES:
        of_many = EXPORT if route.contract.streams else LIST
        assert AT_MOST[route.rule.rule] <= (of_many if route.contract.is_trimmed else READ)


@each(ROUTES)
def test_reading_takes_few_looks_whoever_asks(
    book: Book, callers: list[Caller], sent: list[str], route: Route
) -> None:
    told = set()
    for caller in callers:
        sent.clear()
        told.add(book.send(route, caller=caller).status_code)
        assert len(sent) <= AT_MOST[route.rule.rule], sent
    assert 200 in told
    assert told <= {200, 403, 404}


@each(LISTS)
def test_a_list_takes_as_many_however_many_rows_it_shows(
    book: Book, callers: list[Caller], sent: list[str], route: Route
) -> None:
    for question in [{}, *LISTED[route.rule.endpoint].questions(book)]:
        shown, asked = [], []
        for size in (1, LARGEST):
            sent.clear()
            answer = book.page(route, callers[0], page_size=size, **question)
            shown.append(len(answer.get_json()))
            asked.append(len(sent))
        assert asked[0] == asked[1] <= AT_MOST[route.rule.rule], (question, sent)
        assert shown[0] == 1


@each(LISTS)
def test_a_page_far_down_takes_one_look_more(
    book: Book,
    callers: list[Caller],
    sent: list[str],
    route: Route,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listing, "SKIPPED_AT_MOST", 0)
    sent.clear()
    assert book.page(route, callers[0], page=9, page_size=1).get_json()
    assert len(sent) <= min(LIST, AT_MOST[route.rule.rule] + 1), sent


def test_what_a_list_shows_beside_its_rows_is_there_to_be_read(book: Book) -> None:
    """Or the counts would say nothing of it."""
    by_rule = {route.rule.rule: route for route in LISTS}
    loans = book.page(by_rule["/loans/"], page_size=LARGEST).get_json()
    payments = book.page(by_rule["/payments/"], page_size=LARGEST).get_json()
    assert sum(len(loan["fraud_flags"]) for loan in loans) > 5
    assert sum(len(payment["payment_details"]) for payment in payments) > 5


@each(CACHED)
def test_what_is_remembered_takes_one_look(book: Book, sent: list[str], route: Route) -> None:
    asked = {"headers": {"X-Request-ID": "same"}, "query_string": query(**{"from": "2026-01-01"})}
    book.send(route, **asked)
    sent.clear()
    assert book.send(route, **asked).status_code == 200
    assert len(sent) == 1


@each(CACHED)
def test_what_is_known_takes_one_look_with_a_cache_and_without(
    book: Book, callers: list[Caller], sent: list[str], route: Route
) -> None:
    for caller in (book.admin, callers[0]):
        known = {"If-None-Match": book.send(route, caller=caller).headers["ETag"]}
        sent.clear()
        assert book.send(route, caller=caller, headers=known).status_code == 304
        assert len(sent) == 1
