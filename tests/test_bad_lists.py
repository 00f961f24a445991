"""Lists, searches, days and paths: what is out of bounds is refused, the rest taken literally."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from app.schemas.common import DayRange, ListFilter
from tests.attacks import Route, World, query, refusal, routes, verbatim
from tests.conftest import sweep
from tests.factories import Caller

ROUTES = routes()
LISTS = [route for route in ROUTES if route.asks_for(ListFilter)]
RANGES = [route for route in ROUTES if route.asks_for(DayRange)]
READS = [route for route in ROUTES if route.method == "GET"]
AUDIT = "audit_events"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO"}


@pytest.fixture(scope="module")
def world(app: Flask, settings: Settings) -> Iterator[World]:
    yield World(app)
    sweep(app, settings)


@pytest.fixture(autouse=True)
def _nothing_is_changed(world: World) -> Iterator[None]:
    """But that an export that is taken is on the audit trail."""
    before = world.fingerprint()
    yield
    assert {**world.fingerprint(), AUDIT: before[AUDIT]} == before


def each(wanted: list[Route]) -> Any:
    return pytest.mark.parametrize("route", wanted, ids=str)


def blamed(response: Any) -> list[str]:
    assert refusal(response) == 422, response.get_data(as_text=True)[:300]
    return list(response.get_json()["errors"])


def test_there_are_lists_to_attack() -> None:
    assert len(LISTS) >= 5
    assert len(RANGES) >= 3


@each(LISTS)
def test_a_page_that_does_not_count_from_1_is_refused(world: World, route: Route) -> None:
    for page in ("0", "-1", "-0", str(10**18), "9" * 5_000, "1.0", "1e3", "+1", "", " 1", "NaN"):
        assert blamed(world.send(route, query_string=query(page=page))) == ["page"], page[:50]


@each(LISTS)
def test_a_page_of_none_or_more_than_100_is_refused(world: World, route: Route) -> None:
    for size in ("0", "-1", "101", str(10**9), str(10**18), "9" * 5_000, "1e2", "", "Infinity"):
        response = world.send(route, query_string=query(page_size=size))
        assert blamed(response) == ["page_size"], size[:50]


@each(LISTS)
def test_a_page_named_twice_is_refused(world: World, route: Route) -> None:
    assert blamed(world.send(route, query_string="page=1&page=1")) == ["page"]


@each(LISTS)
def test_a_page_beyond_the_last_is_empty(world: World, route: Route) -> None:
    response = world.send(route, query_string=query(page=10**9, page_size=100))
    assert (response.status_code, response.get_json()) == (200, [])


@each(LISTS)
def test_the_largest_page_is_answered(world: World, route: Route) -> None:
    response = world.send(route, query_string=query(page_size=100))
    assert response.headers["X-Total-Count"] == str(len(response.get_json()))


@each([route for route in ROUTES if route.contract.query])
def test_what_is_no_list_is_refused_when_named_twice(world: World, route: Route) -> None:
    for name, field in route.query_fields.items():
        if not hasattr(field, "inner"):
            assert blamed(world.send(route, query_string=f"{name}=1&{name}=1")) == [name]


@each(RANGES)
def test_days_out_of_order_are_refused(world: World, route: Route) -> None:
    days = {"from": "2026-02-01", "to": "2026-01-31"}
    assert blamed(world.send(route, query_string=query(**days))) == ["to"]


@each(RANGES)
@pytest.mark.parametrize("end", ["from", "to"])
def test_a_day_on_no_calendar_is_refused(world: World, route: Route, end: str) -> None:
    for day in ("0000-01-01", "2026-02-30", "infinity", "-infinity", "10000-01-01", "now", ""):
        assert blamed(world.send(route, query_string=query(**{end: day}))) == [end], day


@each(RANGES)
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("end", ["from", "to"])
def test_the_first_and_the_last_day_of_the_calendar_are_taken(
    world: World, route: Route, end: str, day: str
) -> None:
    assert world.send(route, query_string=query(**{end: day})).status_code == 200


@each(RANGES)
def test_the_whole_calendar_holds_everything(world: World, route: Route) -> None:
    calendar = query(**{"from": "0001-01-01", "to": "9999-12-31"})
    assert world.send(route, query_string=calendar).data == world.send(route).data


@pytest.mark.parametrize("injected", ["' OR '1'='1", "'; DROP TABLE loans; --", "\\' OR 1=1 --"])
def test_a_search_is_no_statement(world: World, injected: str) -> None:
    found = world.admin.get("/customers/", query_string=query(q=injected))
    assert (found.status_code, found.get_json()) == (200, [])


@each([route for route in READS if "<path:" not in route.rule.rule])
def test_a_path_answers_the_same_with_and_without_its_last_slash(
    world: World, route: Route
) -> None:
    path = world.path(route).rstrip("/")
    with_slash, without = (world.send(route, **verbatim(path + end)) for end in ("/", ""))
    assert with_slash.status_code == without.status_code == 200


@each(ROUTES)
def test_no_path_ever_redirects(world: World, route: Route) -> None:
    path = world.path(route)
    variants = (
        path,
        path.rstrip("/"),
        f"{path.rstrip('/')}/",
        f"/{path}",
        f"{path}//",
        f"{path}/.",
    )
    for variant in variants:
        status = world.send(route, caller=Caller(world.app), **verbatim(variant)).status_code
        assert status < 300 or 400 <= status < 500, variant


@each(ROUTES)
def test_another_method_is_refused_and_the_right_ones_named(world: World, route: Route) -> None:
    path = world.path(route)
    allowed = methods_of(world.app, path)
    for method in sorted(METHODS - allowed):
        response = world.admin.open(path, method=method)
        assert refusal(response) == 405, method
        assert set(response.headers["Allow"].split(", ")) == allowed, method


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("path", ["/nowhere", "/loans/a/b/c/d", "/.env", "/%00", "/" + "x" * 9_000])
def test_a_path_that_leads_nowhere_is_not_found(world: World, method: str, path: str) -> None:
    assert refusal(world.admin.open(path, method=method)) == 404


@pytest.mark.parametrize("query_string", ["&", "?", "&&&", "=", "=1", "&page=1&"])
def test_a_query_of_bare_punctuation_is_harmless(world: World, query_string: str) -> None:
    assert world.admin.get("/loans/", query_string=query_string).status_code in (200, 422)


@pytest.mark.parametrize(
    "host", ["a b", "evil\0host", "[::1", "x" * 5_000, "a/b", "日本", "", ":0"]
)
def test_a_host_that_cannot_be_is_harmless(world: World, host: str) -> None:
    response = world.admin.get("/customers/", environ_overrides={"HTTP_HOST": host})
    assert response.status_code < 500


@each(READS)
def test_reading_is_answered_whatever_tag_its_caller_expects(world: World, route: Route) -> None:
    for tag in ('"other"', "W/*", "other", '"a", "b"', "x" * 5_000):
        assert world.send(route, headers={"If-Match": tag}).status_code == 200, tag[:50]


def methods_of(app: Flask, path: str) -> set[str]:
    """What some rule allows on that very path."""
    adapter = app.url_map.bind("localhost")
    return set(adapter.allowed_methods(path.replace("%20", " ")))
