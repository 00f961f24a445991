"""`fields`: of each record of a list what was asked for, and nothing else."""

import json
from collections.abc import Callable, Iterator
from itertools import combinations
from random import Random
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema

from app.config import Settings
from app.web.shown import known_fields
from tests.attacks import Route, query, refusal
from tests.conftest import sweep
from tests.factories import Caller
from tests.filters import LISTED, LISTS
from tests.lists import LARGEST, SIZE, Book, follow

each = pytest.mark.parametrize("route", LISTS, ids=str)
HIDDEN = ("nobody", "password_hash", "digest", "version", "etag", "total", "first_amount")
UNREADABLE = ("", ",", " ", "id,", ",id", "id,,status", "id, status", "ID", "id;status", "*", "\0")


@pytest.fixture(scope="module")
def book(app: Flask, settings: Settings) -> Iterator[Book]:
    yield Book(app)
    sweep(app, settings)


@pytest.fixture(params=["cached", "uncached"])
def ask(request: pytest.FixtureRequest, book: Book, make_app: Callable[..., Flask]) -> Any:
    """Ask for a list, twice, for what was remembered must be what was answered."""
    uncached = make_app(CACHE_ENABLED="false") if request.param == "uncached" else book.app
    caller = Caller(uncached, book.admin.headers, book.admin.user)

    def asked(route: Route, **asked: Any) -> Any:
        first, again = (book.page(route, caller, **asked) for _ in range(2))
        assert (first.data, first.headers["Link"]) == (again.data, again.headers["Link"])
        return again

    return asked


def names(route: Route) -> list[str]:
    """What a list shows, in its order."""
    schema: type[Schema] | None = route.contract.returns
    assert schema is not None
    return [field.data_key or name for name, field in schema().dump_fields.items()]


def blamed(book: Book, route: Route, query_string: str) -> list[str]:
    answer = book.send(route, query_string=query_string)
    assert refusal(answer) == 422, query_string
    return list(answer.get_json()["errors"])


@each
def test_only_the_fields_that_are_named_are_shown(book: Book, ask: Any, route: Route) -> None:
    known = names(route)
    whole = ask(route, page_size=LARGEST)
    assert [list(row) for row in whole.get_json()] == [known] * len(whole.get_json())
    some = list(combinations(known, 2))
    for chosen in [*((name,) for name in known), *some[:: len(some) // 5 or 1], known]:
        answer = ask(route, page_size=LARGEST, fields=",".join(chosen))
        assert answer.get_json() == [
            {name: row[name] for name in chosen} for row in whole.get_json()
        ], chosen
        assert answer.headers["X-Total-Count"] == whole.headers["X-Total-Count"]


@each
def test_fields_are_named_in_any_order(book: Book, ask: Any, route: Route) -> None:
    known = names(route)
    whole = ask(route, page_size=LARGEST)
    for chosen in (known[::-1], Random(1).sample(known, len(known))):
        assert ask(route, page_size=LARGEST, fields=",".join(chosen)).data == whole.data


@each
def test_fields_go_with_every_filter_and_with_the_links(book: Book, route: Route) -> None:
    last = names(route)[-1]
    for question in [{}, *LISTED[route.rule.endpoint].questions(book)]:
        whole = book.page(route, page_size=LARGEST, **question).get_json()
        first = book.page(route, page_size=SIZE, fields=last, **question)
        shown = [row for page in follow(book.admin, first, "next") for row in page.get_json()]
        assert shown[:LARGEST] == [{last: row[last]} for row in whole], question


@each
def test_fields_that_are_unknown_are_refused_by_name(book: Book, route: Route) -> None:
    known = names(route)
    for unknown in (
        "nobody",
        "password_hash",
        "digest",
        "version",
        "etag",
        "total",
        "first_amount",
    ):
        assert unknown not in known
        for chosen in (unknown, f"{known[0]},{unknown}", f"{unknown},{known[-1]}"):
            answer = book.send(route, query_string=query(fields=chosen))
            assert refusal(answer) == 422
            assert answer.get_json()["errors"] == {"fields": [f"There is no field {unknown}."]}


@each
def test_fields_that_are_named_twice_are_refused(book: Book, route: Route) -> None:
    name, other = names(route)[:2]
    for chosen in (f"{name},{name}", f"{name},{other},{name}", "nobody,nobody"):
        assert blamed(book, route, query(fields=chosen)) == ["fields"]
    assert blamed(book, route, f"fields={name}&fields={other}") == ["fields"]


@each
def test_fields_that_cannot_be_read_are_refused(book: Book, route: Route) -> None:
    name = names(route)[0]
    for chosen in (*UNREADABLE, "x" * 41, ",".join("x" * n for n in range(1, 40)) * 3, f"{name}\0"):
        assert blamed(book, route, query(fields=chosen)) == ["fields"], chosen


def test_the_document_tells_which_fields_there_are_and_that_none_must_be_shown(
    book: Book,
) -> None:
    document = json.loads(book.admin.get("/openapi.json").data)
    schemas = document["components"]["schemas"]
    for route in LISTS:
        path = "/".join(
            f"{{{part[1:-1].rpartition(':')[2]}}}" if part[:1] == "<" else part
            for part in route.rule.rule.split("/")
        )
        told = document["paths"][path]["get"]
        (parameter,) = (each for each in told["parameters"] if each["name"] == "fields")
        assert set(parameter["schema"]["items"]["enum"]) == known_fields(route.contract.returns)
        assert (parameter["style"], parameter["explode"]) == ("form", False)
        rows = told["responses"]["200"]["content"]["application/json"]["schema"]["items"]
        whole, part = (schemas[each["$ref"].rpartition("/")[2]] for each in rows["anyOf"])
        assert list(whole["properties"]) == whole["required"] == names(route)
        assert part["properties"] == whole["properties"]
        assert "required" not in part
