"""Exports: all that the list has, and for whom."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.config import Settings
from app.models import Role
from app.services.exports import AT_ONCE
from tests.attacks import Route, query, refusal, routes
from tests.conftest import sweep
from tests.credentials import execute, key_holder
from tests.exported import in_cells, read
from tests.factories import Caller
from tests.filters import LISTED, LISTS, PLACING, Question
from tests.lists import LARGEST, Book

EXPORTS = [route for route in routes() if route.contract.streams]
LIST_AT = {route.rule.rule: route for route in LISTS}
each = pytest.mark.parametrize("route", EXPORTS, ids=str)

COUNTED = "SELECT count(*) FROM audit_events WHERE action LIKE '%.exported'"


@pytest.fixture(scope="module")
def book(app: Flask, settings: Settings) -> Iterator[Book]:
    yield Book(app)
    sweep(app, settings)


def list_of(route: Route) -> Route:
    """The list that an export is of."""
    return LIST_AT[route.rule.rule.removesuffix("export")]


def questions(book: Book, route: Route) -> list[Question]:
    return [{}, *LISTED[list_of(route).rule.endpoint].questions(book)]


def exported(book: Book, route: Route, **asked: Any) -> TestResponse:
    answer: TestResponse = book.send(route, query_string=query(**asked))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer


def test_customers_loans_and_payments_are_exported() -> None:
    assert sorted(route.rule.rule for route in EXPORTS) == [
        "/customers/export",
        "/loans/export",
        "/payments/export",
    ]


@each
def test_an_export_takes_the_filters_of_its_list(route: Route) -> None:
    own = route.query_fields.keys() - {"format", "fields"}
    assert own == list_of(route).query_fields.keys() - PLACING


@each
def test_json_lines_are_the_list_record_for_record(book: Book, route: Route) -> None:
    for question in questions(book, route):
        page = book.page(list_of(route), page_size=LARGEST, **question)
        assert int(page.headers["X-Total-Count"]) <= LARGEST
        lines = exported(book, route, format="jsonl", **question).data.splitlines(keepends=True)
        assert all(line.endswith(b"\n") for line in lines)
        assert b"[" + b",".join(line[:-1] for line in lines) + b"]" == page.data, question


@each
def test_csv_holds_the_same_records(book: Book, route: Route) -> None:
    for question in questions(book, route):
        page = book.page(list_of(route), page_size=LARGEST, **question)
        found = read(exported(book, route, **question))
        assert found == [in_cells(record) for record in page.get_json()], question


@each
def test_the_columns_are_the_fields_of_a_record_in_their_order(book: Book, route: Route) -> None:
    record = book.page(list_of(route), page_size=1).get_json()[0]
    head, _, _ = exported(book, route).data.partition(b"\r\n")
    assert head.decode().split(",") == list(record)


@each
def test_fields_trim_each_record_as_in_the_list(book: Book, route: Route) -> None:
    asked = {"fields": "status,id"}
    page = book.page(list_of(route), page_size=LARGEST, **asked)
    found = exported(book, route, **asked)
    assert found.data.startswith(b"id,status\r\n")
    assert read(found) == page.get_json()
    lines = exported(book, route, format="jsonl", **asked).data.splitlines()
    assert b"[" + b",".join(lines) + b"]" == page.data


@each
def test_of_nothing_there_is_an_empty_file(book: Book, route: Route) -> None:
    nobody = {"external_id": "x"} if "customers" in route.rule.rule else {"customer": "x"}
    assert exported(book, route, format="jsonl", **nobody).data == b""
    assert len(exported(book, route, **nobody).data.splitlines()) == 1


@pytest.mark.parametrize(
    ("asked", "accepted", "kind"),
    [
        *(("", None, "csv"), ("", "*/*", "csv"), ("", "text/csv", "csv")),
        *(("", "application/x-ndjson", "jsonl"), ("", "application/json", "csv")),
        ("", "text/csv;q=0.5, application/x-ndjson", "jsonl"),
        ("format=csv", "application/x-ndjson", "csv"),
        ("format=jsonl", "text/csv", "jsonl"),
    ],
)
def test_the_form_is_what_was_asked_for_or_else_accepted(
    book: Book, asked: str, accepted: str | None, kind: str
) -> None:
    headers = {"Accept": accepted} if accepted else {}
    answer = book.admin.get("/loans/export", query_string=asked, headers=headers, buffered=True)
    media_type = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}[kind]
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="loans.{kind}"'


@each
def test_nobody_knows_beforehand_how_long_it_is(book: Book, route: Route) -> None:
    headers = exported(book, route).headers
    assert "Content-Length" not in headers
    assert headers["Cache-Control"] == "no-store"


@each
def test_head_answers_the_same_and_exports_nothing(book: Book, route: Route) -> None:
    (before,) = execute(book.app, COUNTED)
    path, told = book.path(route), {"X-Request-ID": "same"}
    for _ in range(AT_ONCE + 1):
        head = book.admin.head(path, headers=told)
        assert (head.status_code, head.data) == (200, b"")
    assert execute(book.app, COUNTED)[0] == before
    assert head.headers == book.admin.get(path, headers=told, buffered=True).headers
    assert book.applicant.head(path).status_code == 403


@each
@pytest.mark.parametrize(
    "asked",
    [
        *("page=1", "page_size=20", "cursor=x", "format=json", "format=", "format=CSV"),
        *("fields=nothing", "fields=", "colour=red", "format=csv&format=jsonl"),
    ],
)
def test_pages_and_what_is_unknown_are_refused_and_not_on_record(
    book: Book, route: Route, asked: str
) -> None:
    (before,) = execute(book.app, COUNTED)
    refused = book.send(route, query_string=asked)
    assert refusal(refused) == 422
    assert list(refused.get_json()["errors"]) == [asked.partition("=")[0]]
    assert execute(book.app, COUNTED)[0] == before


@each
def test_staff_alone_export_and_who_is_refused_is_not_on_record(book: Book, route: Route) -> None:
    (before,) = execute(book.app, COUNTED)
    keys = {role: key_holder(book.admin, role) for role in (Role.OFFICER, Role.APPLICANT)}
    for caller in (book.applicant, keys[Role.APPLICANT], Caller(book.app)):
        assert refusal(book.send(route, caller=caller)) in (401, 403)
    assert execute(book.app, COUNTED)[0] == before
    whole = exported(book, route).data
    for caller in (book.lender.user(Role.OFFICER), keys[Role.OFFICER]):
        assert book.send(route, caller=caller).data == whole


def test_an_export_is_on_record_with_its_filters_but_not_what_was_sought(
    book: Book,
) -> None:
    admin, officer = book.admin, book.lender.user(Role.OFFICER)
    asked = {
        "/customers/export": {"q": "Lovelace", "status": "ACTIVE"},
        "/loans/export": {
            "status": ["PENDING", "FLAGGED"],
            "customer": "crm-1",
            "min_amount": "10.50",
            "max_risk": "0.5",
            "from": "2026-01-31",
            "flagged": "false",
            "sort": "oldest",
        },
        "/payments/export": {"to": "2026-01-31", "format": "jsonl", "fields": "id"},
    }
    for path, filters in asked.items():
        assert officer.get(path, query_string=query(**filters)).status_code == 200
    told = admin.get(f"/reports/audit?actor_id={officer.id}").get_json()[:3][::-1]
    assert [each["details"] for each in told] == [
        {"filters": {"q": "…", "status": "ACTIVE"}},
        {
            "filters": {
                "status": ["PENDING", "FLAGGED"],
                "customer": "crm-1",
                "min_amount": "10.50",
                "max_risk": "0.5",
                "first": "2026-01-31",
                "flagged": False,
            }
        },
        {"filters": {"last": "2026-01-31"}},
    ]
    kinds = ("customers", "loans", "payments")
    assert [each["action"] for each in told] == [f"{kind}.exported" for kind in kinds]
    assert [each["subject"] for each in told] == list(kinds)
    assert {each["subject_id"] for each in told} == {officer.id}


def test_an_export_is_on_record_before_any_of_it_is_taken(book: Book) -> None:
    (before,) = execute(book.app, COUNTED)
    answer = book.admin.get("/loans/export")
    assert execute(book.app, COUNTED)[0] == before + 1
    answer.close()


@pytest.mark.parametrize("path", ["/customers/", "/loans/"])
@pytest.mark.parametrize("method", ["patch", "delete"])
def test_nothing_is_called_export(book: Book, path: str, method: str) -> None:
    body = {"purpose": "x"} if path == "/loans/" else {"first_name": "x"}
    refused = getattr(book.admin, method)(f"{path}export", body if method == "patch" else None)
    assert refused.status_code == 405
