"""A page's headers: how many there are, which page this is, and where the others are."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Request, Response
from werkzeug.test import EnvironBuilder

from app.services.pages import Page
from app.web.paging import describe


def page(total: int, number: int, size: int) -> Page[object]:
    """As a list answers it: with cursors to what follows and precedes, where something does."""
    skipped = (number - 1) * size
    items = (object(),) * max(0, min(size, total - skipped))
    after = "after" if items and skipped + size < total else None
    before = "before" if items and number > 1 else None
    return Page(items, total, number, size, after, before)


def described(total: int, number: int, size: int, *, query: str = "", path: str = "/loans/") -> Any:
    response = Response()
    builder = EnvironBuilder(path=path, query_string=query)
    describe(response, builder.get_request(Request), page(total, number, size))
    return response.headers


def links(*args: Any, **kwargs: Any) -> dict[str, dict[str, list[str]]]:
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', described(*args, **kwargs)["Link"])
    return {rel: parse_qs(urlsplit(url).query) for url, rel in found}


def pages(*args: Any) -> dict[str, int]:
    return {rel: int(query["page"][0]) for rel, query in links(*args).items()}


def test_a_page_says_its_place() -> None:
    headers = described(45, 2, 20)
    shown = headers["X-Total-Count"], headers["X-Page"], headers["X-Page-Size"]
    assert shown == ("45", "2", "20")


@pytest.mark.parametrize(
    ("total", "number", "size", "expected"),
    [
        (0, 1, 20, {"first": 1, "last": 1}),
        (20, 1, 20, {"first": 1, "last": 1}),
        (21, 1, 20, {"first": 1, "next": 2, "last": 2}),
        (45, 2, 20, {"first": 1, "prev": 1, "next": 3, "last": 3}),
        (45, 3, 20, {"first": 1, "prev": 2, "last": 3}),
        (45, 99, 20, {"first": 1, "prev": 3, "last": 3}),
        (0, 10**9, 100, {"first": 1, "prev": 1, "last": 1}),
        (3, 2, 1, {"first": 1, "prev": 1, "next": 3, "last": 3}),
    ],
)
def test_links_lead_to_pages_that_exist(
    total: int, number: int, size: int, expected: dict[str, int]
) -> None:
    assert pages(total, number, size) == expected


def test_links_keep_the_filters_and_the_size() -> None:
    query = "status=PENDING&status=FLAGGED&q=%25%26+%3D&page=1&page_size=1"
    kept = {
        "status": ["PENDING", "FLAGGED"],
        "q": ["%& ="],
        "page_size": ["1"],
        "page": ["2"],
        "cursor": ["after"],
    }
    assert links(2, 1, 1, query=query)["next"] == kept


def test_links_keep_the_path_that_was_asked() -> None:
    assert "</customers?page=" in described(1, 1, 1, path="/customers")["Link"]


@pytest.mark.parametrize("name", ["日本", "a>b", 'a"b', "a%0D%0AX-Evil:%201", "a b"])
def test_a_record_named_in_the_path_cannot_break_the_header(name: str) -> None:
    link = described(1, 1, 1, path=f"/customers/{name}/entries")["Link"]
    assert re.fullmatch(
        r'</customers/[\w%-]+/entries\?[^>]*>; rel="first", <[^>]*>; rel="last"', link
    )


@pytest.mark.parametrize("query", ["q=%0D%0AX-Evil:+1", "q=%3E%22"])
def test_a_filter_cannot_break_the_header(query: str) -> None:
    assert links(1, 1, 1, query=query)["first"]["q"] == parse_qs(query)["q"]


def test_the_pages_beside_are_led_to_by_cursor_and_those_at_the_ends_by_number() -> None:
    led = links(45, 2, 20, query="cursor=used&page=2")
    cursors = {rel: query.get("cursor") for rel, query in led.items()}
    assert cursors == {"first": None, "prev": ["before"], "next": ["after"], "last": None}
