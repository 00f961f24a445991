"""What a client must not send is refused with the right status, and changes nothing.

The routes and their fields come from the contracts; see `tests.attacks`.
"""

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from tests.attacks import (
    UNREADABLE,
    Route,
    World,
    bad_literals,
    bad_texts,
    query,
    refusal,
    routes,
)
from tests.conftest import sweep

ROUTES = routes()
READING = [route for route in ROUTES if route.contract.body]
REQUIRING = [route for route in READING if not route.contract.body_is_optional]
ASKING = [route for route in ROUTES if route.contract.query]
WRITING = [route for route in ROUTES if route.method != "GET"]
BODY_FIELDS = [(route, name) for route in READING for name in route.body_fields]
PLACES = [(route, name) for route in ROUTES for name in sorted(route.rule.arguments)]
QUERY_FIELDS = [(route, name) for route in ASKING for name in route.query_fields]
FORBIDDEN = [
    *("is_admin", "role", "risk_score", "status", "outstanding", "id", "created_by", "is_active"),
    *(
        "version",
        "created_at",
        "updated_at",
        "taken_at",
        "password_hash",
        "has_totp",
        "totp_secret",
        "customer",
        "fraud_flags",
    ),
    *("__class__", "constructor", "", "actor", "actor.role", "_schema"),
]
TEN_MEGABYTES = b'{"a": "' + b"x" * 10_000_000 + b'"}'

MALFORMED = {
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "a surrogate as UTF-8": b'{"a": "\xed\xa0\x80"}',
    "half a surrogate pair as a key": rb'{"\ud800": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a duplicate key": b'{"reason": "a", "reason": "a"}',
    "a duplicate key deep inside": b'{"a": [{"b": 1, "b": 1}]}',
    "65 levels": b'{"a":' * 64 + b"{}" + b"}" * 64,
    "200,000 levels": b"[" * 200_000,
    "200,000 levels of objects": b'{"a":' * 200_000,
    "cut off": b'{"reason": "a',
    "two values": b"{} {}",
    "NaN": b'{"a": NaN}',
    "a comment": b'{"a": 1 /* one */}',
    "NUL": b"\0",
    "gzip in disguise": gzip.compress(b"{}"),
}
NO_OBJECT = [b"[]", b"[{}]", b"null", b'"reason"', b"12", b"true"]
NOBODY = [
    *(
        "a\0b",
        "\0",
        "x" * 1_000_000,
        "..",
        ".",
        "' OR 1=1 --",
        "%",
        "_",
        "*",
        "nobody",
        "日本",
        "😀",
    ),
    *("a\r\nX-Evil: 1", "00000000-0000-0000-0000-000000000000", "{}", " ", "a;b", "a?b#c"),
    *("NaN", "-1", "null"),
]
OTHER_MEDIA = [
    *("", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"),
    *("application/json; charset=utf-16", "application/problem+json", "application/xml", "json"),
]


@pytest.fixture(scope="module")
def world(app: Flask, settings: Settings) -> Iterator[World]:
    yield World(app)
    sweep(app, settings)


@pytest.fixture
def unchanged(world: World) -> Iterator[None]:
    """Not a row of the business is another than before."""
    before = world.seen or world.fingerprint()
    yield
    world.seen = world.fingerprint()
    assert world.seen == before


def chunked(world: World, route: Route, body: bytes) -> Any:
    """Send a body as gunicorn hands over one that came in chunks, without its length."""
    return world.send(
        route,
        input_stream=io.BytesIO(body),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )


def each(wanted: list[Route]) -> Any:
    return pytest.mark.parametrize("route", wanted, ids=str)


def each_field(wanted: list[tuple[Route, str]]) -> Any:
    return pytest.mark.parametrize(("route", "name"), wanted, ids=str)


def blamed(response: Any) -> list[str]:
    """The fields that an answer of 422 names."""
    assert refusal(response) == 422, response.get_data(as_text=True)[:300]
    return list(response.get_json().get("errors", {}))


def test_there_is_something_to_attack() -> None:
    assert len(READING) >= 16
    assert len(BODY_FIELDS) >= 45
    assert len(QUERY_FIELDS) >= 33


@each_field(BODY_FIELDS)
def test_a_value_that_is_not_valid_is_refused_and_its_field_named(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    for literal in bad_literals(route.body_fields[name]):
        response = world.send(route, world.with_literal(route, name, literal))
        assert blamed(response) == [name], literal[:50]


@each_field(BODY_FIELDS)
def test_a_value_that_is_no_strict_json_is_malformed(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    for literal in UNREADABLE:
        response = world.send(route, world.with_literal(route, name, literal))
        assert refusal(response) == 400, literal[:50]


@each_field([(route, name) for route, name in BODY_FIELDS if route.body_fields[name].required])
def test_a_required_value_left_out_is_refused_and_its_field_named(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    body = {key: value for key, value in world.good_body(route).items() if key != name}
    assert blamed(world.send(route, json.dumps(body))) == [name]


@each(READING)
def test_nothing_is_set_that_the_route_does_not_offer(
    world: World, unchanged: None, route: Route
) -> None:
    shown = set(route.contract.returns().fields) if route.contract.returns else set()
    for name in {*FORBIDDEN, *shown} - set(route.body_fields):
        for literal in ('"admin"', "null"):
            response = world.send(route, world.with_literal(route, name, literal))
            assert blamed(response) == [name]


@each(READING)
def test_members_are_named_exactly_as_they_are_offered(
    world: World, unchanged: None, route: Route
) -> None:
    for name in list(route.body_fields):
        for other in (name.upper(), f"{name} ", f"{name}\0", f"{name}[]", f"\ufeff{name}"):
            assert blamed(world.send(route, json.dumps({**world.good_body(route), other: "a"})))


@each(WRITING)
def test_a_write_takes_nothing_from_the_query(world: World, unchanged: None, route: Route) -> None:
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    for name in ("role", "status", "is_admin", "amount", "page", "a\0"):
        response = world.send(route, body, query_string=query(**{name: "admin"}))
        assert blamed(response) == [name]


@each(READING)
def test_a_body_that_cannot_be_read_is_malformed(
    world: World, unchanged: None, route: Route
) -> None:
    for name, body in MALFORMED.items():
        assert refusal(world.send(route, body)) == 400, name


@each([route for route in READING if not route.contract.body_is_optional])
def test_an_empty_body_is_malformed(world: World, unchanged: None, route: Route) -> None:
    assert refusal(world.send(route, b"")) == 400


@each(READING)
def test_a_body_that_is_no_object_is_invalid(world: World, unchanged: None, route: Route) -> None:
    for body in NO_OBJECT:
        assert refusal(world.send(route, body)) == 422, body


@each(READING)
def test_64_levels_are_read_and_found_invalid(world: World, unchanged: None, route: Route) -> None:
    deepest = "[" * 63 + "]" * 63
    assert blamed(world.send(route, world.with_literal(route, "a", deepest))) == ["a"]


@each(READING)
def test_a_body_of_ten_megabytes_is_too_large(world: World, unchanged: None, route: Route) -> None:
    assert refusal(world.send(route, TEN_MEGABYTES)) == 413


@each(READING)
def test_a_body_one_byte_above_a_mebibyte_is_too_large(
    world: World, unchanged: None, route: Route
) -> None:
    body = json.dumps(world.good_body(route)).encode().ljust(1024 * 1024 + 1)
    assert refusal(world.send(route, body)) == 413


@each(READING)
def test_a_body_without_a_length_is_too_large_all_the_same(
    world: World, unchanged: None, route: Route
) -> None:
    good = json.dumps(world.good_body(route)).encode()
    for body in (TEN_MEGABYTES, good.ljust(1024 * 1024 + 1), good.ljust(3_000_000)):
        assert refusal(chunked(world, route, body)) == 413, len(body)


@each(READING)
def test_a_body_without_a_length_is_read_as_strictly(
    world: World, unchanged: None, route: Route
) -> None:
    assert refusal(chunked(world, route, b'{"a": 1, "a": 2}')) == 400


@each(READING)
def test_a_body_of_another_type_is_not_read(world: World, unchanged: None, route: Route) -> None:
    body = json.dumps(world.good_body(route))
    for media in OTHER_MEDIA:
        assert refusal(world.send(route, body, content_type=media)) == 415, media


@each(READING)
def test_a_packed_body_is_not_unpacked(world: World, unchanged: None, route: Route) -> None:
    body = gzip.compress(json.dumps(world.good_body(route)).encode())
    for encoding in ("gzip", "deflate", "br", "gzip, identity"):
        response = world.send(route, body, headers={"Content-Encoding": encoding})
        assert refusal(response) == 415, encoding


@each_field(QUERY_FIELDS)
def test_a_parameter_that_is_not_valid_is_refused_and_named(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    field = route.query_fields[name]
    for value in bad_texts(getattr(field, "inner", field)):
        response = world.send(route, query_string=query(**{name: value}))
        assert blamed(response) == [name], value[:50]


@each_field(QUERY_FIELDS)
def test_a_parameter_not_in_utf_8_is_malformed(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    for value in ("%FF", "%ED%A0%80", "%C0%80"):
        assert refusal(world.send(route, query_string=f"{name}={value}")) == 400


@each([route for route in ROUTES if route.method == "GET"])
def test_an_unknown_parameter_is_refused_and_named(
    world: World, unchanged: None, route: Route
) -> None:
    for name in ("sort", "PAGE", "page ", "created_by", "first", "__proto__"):
        response = world.send(route, query_string=query(**{name: "1"}))
        assert blamed(response) == [name]


@each_field([(route, name) for route, name in PLACES if f"<{name}>" in route.rule.rule])
def test_a_record_that_cannot_exist_is_not_found(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    for ref in NOBODY:
        response = world.send(route, body, path=world.path(route, **{name: ref}))
        assert refusal(response) == 404, ascii(ref)[:50]


@each_field([(route, name) for route, name in PLACES if f"<uuid:{name}>" in route.rule.rule])
def test_a_path_that_names_no_id_is_not_found(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    for ref in ("1", "\0", "me\0", "x" * 1_000_000, "0" * 32, ".."):
        response = world.send(route, "{}", path=world.path(route, **{name: ref}))
        assert refusal(response) == 404, ascii(ref)[:50]


@each_field(PLACES)
def test_a_path_not_in_utf_8_is_not_found(
    world: World, unchanged: None, route: Route, name: str
) -> None:
    body = json.dumps(world.good_body(route)) if route.contract.body else None
    for raw in ("%FF", "%ED%A0%80", "%C0%AF..%C0%AF"):
        path = world.path(route, **{name: "@"}).replace("%40", raw)
        assert refusal(world.send(route, body, path=path)) == 404


@pytest.mark.parametrize(
    "path",
    [
        *("..%2f..%2fetc%2fpasswd", "../../config.py", "%2e%2e/%2e%2e/app/config.py", "a%00b"),
        *("..%5c..%5cconfig.py", "%2fetc%2fpasswd", "x" * 5_000, "", ".", "%FF"),
    ],
    ids=lambda path: path[:30],
)
@pytest.mark.parametrize("folder", ["/swagger/assets/", "/redoc/assets/", "/static/"])
def test_no_file_is_served_from_beside_the_assets(world: World, folder: str, path: str) -> None:
    assert refusal(world.admin.get(folder + path)) == 404


@pytest.mark.parametrize("name", ["credit_limit", "status", "preapproved_at"])
def test_an_applicant_does_not_set_what_staff_sets(
    world: World, unchanged: None, name: str
) -> None:
    values = {"credit_limit": "1.00", "status": "ACTIVE", "preapproved_at": "2026-01-01T00:00:00Z"}
    body = {"external_id": "mine", name: values[name]}
    assert refusal(world.applicant.post("/customers/", body)) == 403
