"""Cursors: from page to page through every list, whatever comes and goes meanwhile."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from itertools import chain, product
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from tests.attacks import Route, query, refusal
from tests.conftest import sweep
from tests.filters import LISTED, LISTS, PLACING, Question, id_of, met
from tests.lists import LARGEST, SIZE, Book, cursor_to, follow, ids, links

each = pytest.mark.parametrize("route", LISTS, ids=str)
each_that_is_left = pytest.mark.parametrize(
    "route", [route for route in LISTS if LISTED[route.rule.endpoint].leaving], ids=str
)
JSON_VALUES = (
    *(None, True, False, 0, 1, -1, 1.5, 2**63, -(2**63), 10**30, "", "x", "\0", [], {}, [1], "1"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z"),
    *("2026-01-01", "infinity", "now", "2026-01-01T00:00:00\0Z", "é", "{}", "x" * 100),
)
TEXTS = ("", " ", "x", "=", "====", "a" * 200, "a" * 201, "a" * 100_000, "\0", "é", "null", "-1")


@pytest.fixture(scope="module")
def book(app: Flask, settings: Settings) -> Iterator[Book]:
    yield Book(app)
    sweep(app, settings)


def questions(book: Book, route: Route) -> list[Question]:
    return [{}, *LISTED[route.rule.endpoint].questions(book)]


def test_every_list_and_each_of_its_filters_is_asked_for(book: Book) -> None:
    assert {route.rule.endpoint for route in LISTS} == set(LISTED)
    for route in LISTS:
        asked = set(chain.from_iterable(questions(book, route)))
        assert asked == route.query_fields.keys() - PLACING, route


@each
def test_a_list_is_in_order_and_answers_what_meets_its_filters(book: Book, route: Route) -> None:
    rows = book.whole(route)
    listed = LISTED[route.rule.endpoint]
    places = list(map(listed.place, rows))
    assert places == sorted(places, reverse=listed.is_descending)
    assert len(rows) > 2 * SIZE
    for question in questions(book, route):
        expected = met(route, question, rows)
        answer = book.page(route, page_size=LARGEST, **question)
        assert answer.get_json() == expected[:LARGEST], question
        assert answer.headers["X-Total-Count"] == str(len(expected)), question
        assert expected, question


@each
def test_links_lead_to_each_record_once_and_back_again(book: Book, route: Route) -> None:
    rows = book.whole(route)
    for question in questions(book, route):
        there = list(follow(book.admin, book.page(route, page_size=SIZE, **question), "next"))
        assert list(chain.from_iterable(map(ids, there))) == [
            id_of(row) for row in met(route, question, rows)
        ], question
        assert [page.headers["X-Page"] for page in there] == [
            str(number + 1) for number in range(len(there))
        ]
        back = list(follow(book.admin, there[-1], "prev"))[::-1]
        for one, other in zip(there, back, strict=True):
            assert (one.data, one.headers["X-Page"]) == (other.data, other.headers["X-Page"])


@each
def test_numbers_lead_to_the_pages_that_links_lead_to(book: Book, route: Route) -> None:
    for question in questions(book, route):
        first = book.page(route, page_size=SIZE, **question)
        for number, page in enumerate(follow(book.admin, first, "next"), 1):
            same = book.page(route, page_size=SIZE, page=number, **question)
            assert same.data == page.data, (question, number)
            assert links(same).keys() == links(page).keys()


@each
def test_pages_of_one_record_lead_through_all_of_them(book: Book, route: Route) -> None:
    first = book.page(route, page_size=1)
    there = [ids(page) for page in follow(book.admin, first, "next")]
    assert there == [[id_of(row)] for row in book.whole(route)]


@each
@pytest.mark.parametrize("rel", ["next", "prev"])
def test_what_is_added_meanwhile_moves_nothing(book: Book, route: Route, rel: str) -> None:
    sorts = ("newest", "oldest") if "sort" in route.query_fields else (None,)
    for question in [{"sort": sort} if sort else {} for sort in sorts]:
        before = met(route, question, book.whole(route))
        last = -(-len(before) // SIZE)
        start = 1 if rel == "next" else last
        seen = []
        for page in follow(
            book.admin, book.page(route, page=start, page_size=SIZE, **question), rel
        ):
            seen += ids(page) if rel == "next" else ids(page)[::-1]
            if len(seen) < len(before):
                book.add_to(route)
        assert len(set(seen)) == len(seen)
        assert set(map(id_of, before)) <= set(seen)


@each_that_is_left
@pytest.mark.parametrize("rel", ["next", "prev"])
def test_what_leaves_meanwhile_moves_nothing(book: Book, route: Route, rel: str) -> None:
    """Not even the record beside which the next page begins."""
    question, leave = LISTED[route.rule.endpoint].leaving
    for _ in range(2 * SIZE):
        book.add_to(route)
    before = [row["id"] for row in met(route, question, book.whole(route))]
    start = 1 if rel == "next" else -(-len(before) // SIZE)
    seen, gone = [], set()
    for page in follow(book.admin, book.page(route, page=start, page_size=SIZE, **question), rel):
        shown = ids(page) if rel == "next" else ids(page)[::-1]
        seen += shown
        to_come = [id_ for id_ in before if id_ not in seen and id_ not in gone]
        for id_ in (shown[-1], *to_come[2:3]):
            assert leave(book, id_).status_code in (200, 204)
            gone.add(id_)
    assert len(set(seen)) == len(seen)
    assert set(before) - gone <= set(seen)


@each
def test_a_page_by_cursor_has_the_number_it_is_given(book: Book, route: Route) -> None:
    cursor = cursor_to("next", book.page(route, page_size=SIZE))
    by_cursor = book.page(route, page_size=SIZE, cursor=cursor)
    numbered = book.page(route, page_size=SIZE, cursor=cursor, page=7)
    assert numbered.data == by_cursor.data
    assert (by_cursor.headers["X-Page"], numbered.headers["X-Page"]) == ("1", "7")
    assert numbered.headers["X-Total-Count"] == by_cursor.headers["X-Total-Count"]


@each
def test_a_cursor_shows_an_applicant_nothing_that_is_not_theirs(book: Book, route: Route) -> None:
    is_theirs = LISTED[route.rule.endpoint].is_theirs
    rows = book.whole(route)
    pages = [book.page(route, page_size=SIZE, page=2), book.page(route, page_size=1, page=3)]
    for page, rel in product(pages, ("next", "prev")):
        asked = query(cursor=cursor_to(rel, page), page_size=LARGEST)
        answer = book.send(route, caller=book.applicant, query_string=asked)
        if is_theirs is None:
            assert refusal(answer) == 403
            continue
        beside = rows.index(page.get_json()[-1 if rel == "next" else 0])
        ahead = rows[beside + 1 :] if rel == "next" else rows[:beside]
        assert answer.get_json() == [row for row in ahead if is_theirs(book, row)]
        theirs = sum(is_theirs(book, row) for row in rows)
        assert answer.headers["X-Total-Count"] == str(theirs)


@each
def test_a_cursor_of_another_list_is_refused(book: Book, route: Route) -> None:
    others = [cursor_to("next", book.page(other, page_size=1)) for other in LISTS if other != route]
    if "sort" in route.query_fields:
        others.append(cursor_to("next", book.page(route, page_size=1, sort="oldest")))
    for cursor in others:
        assert_refused(book, route, cursor)


@each
def test_a_cursor_cut_short_or_spun_out_is_refused(book: Book, route: Route) -> None:
    cursor = cursor_to("next", book.page(route, page_size=1))
    for end in range(len(cursor)):
        assert_refused(book, route, cursor[:end])
    for other in (f"{cursor}x", f"{cursor}=", f"!{cursor}", f"{cursor} ", cursor * 2):
        assert_refused(book, route, other)


@each
def test_a_cursor_that_was_forged_is_refused(book: Book, route: Route) -> None:
    cursor = cursor_to("next", book.page(route, page_size=1))
    good = read(cursor)
    assert written(good) == cursor
    for at, value in product(range(len(good)), JSON_VALUES):
        if not is_another_place(good[at], value):
            assert_refused(book, route, written([*good[:at], value, *good[at + 1 :]]))
    for forged in (good[:-1], [*good, 1], [], {}, dict.fromkeys("abcd"), "text", 1, None, [good]):
        assert_refused(book, route, written(forged))


@each
def test_a_cursor_of_any_other_text_is_refused(book: Book, route: Route) -> None:
    for cursor in TEXTS:
        assert_refused(book, route, cursor)


def assert_refused(book: Book, route: Route, cursor: str) -> None:
    answer = book.send(route, query_string=query(cursor=cursor))
    assert refusal(answer) == 422, cursor
    assert list(answer.get_json()["errors"]) == ["cursor"], cursor


def is_another_place(good: Any, value: Any) -> bool:
    """Whether the value may stand in a cursor where the good one does."""
    return type(value) is type(good) in (bool, int) and abs(value) < 2**63


def read(cursor: str) -> list[Any]:
    values: list[Any] = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    return values


def written(value: Any) -> str:
    """As a cursor is."""
    made = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return urlsafe_b64encode(made).rstrip(b"=").decode()
