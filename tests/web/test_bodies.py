"""Strict JSON and strict query strings: what is read is what was written, or it is refused."""

import gzip
import json
import subprocess
import sys
from typing import Any

import pytest
from flask import Request
from marshmallow import Schema, fields
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.test import EnvironBuilder

from app.errors import Invalid, Malformed
from app.schemas.common import Query
from app.schemas.fields import Numeral, Text
from app.web.bodies import read_json, read_query

A_MEBIBYTE = 1024 * 1024


class Filter(Query):
    """A query with a value, a renamed value and a list."""

    q = Text(100)
    first = Text(100, data_key="from")
    status = fields.List(Text(100))


def request_of(body: bytes, content_type: str | None = "application/json", **headers: str) -> Any:
    builder = EnvironBuilder(
        method="POST",
        data=body,
        content_type=content_type,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
    return builder.get_request(Request)


def query_of(query: str | bytes) -> Any:
    request = EnvironBuilder().get_request(Request)
    request.query_string = query.encode() if isinstance(query, str) else query
    return request


def nested(levels: int) -> bytes:
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def read(body: str | bytes) -> dict[str, Any]:
    return read_json(request_of(body.encode() if isinstance(body, str) else body))


@pytest.mark.parametrize(
    "literal",
    ["0", "0.29", "1.005", "999999999999.99", "-0.00", "1e400", "1E+3", "9" * 5_000],
)
def test_a_number_is_kept_as_it_was_written(literal: str) -> None:
    assert read(f'{{"amount": {literal}}}') == {"amount": Numeral(literal)}


def test_everything_but_numbers_arrives_as_python_values() -> None:
    body = {"a": "text é 😀", "b": True, "c": None, "d": [{"e": []}], "": ""}
    assert read(json.dumps(body)) == body


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert read(r'{"a": "\ud83d\ude00"}') == {"a": "\U0001f600"}


def test_an_escaped_backslash_before_a_u_is_no_surrogate() -> None:
    assert read(r'{"a": "\\ud800"}') == {"a": r"\ud800"}


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" ",
            b"{",
            b"}",
            b"{]",
            b'{"a"}',
            b"{'a': 1}",
            b'{"a": 1,}',
            b"{} {}",
            b"nul",
            b"\0",
        ),
        *(b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 5.}', b'{"a": 0x1}', b'{"a": 1_0}'),
        *(b'{"a": "\n"}', b'{"a": "\0"}', b'{"a": "\\x41"}', b'{"a": "\\u12"}', b'{"a": // 1\n1}'),
        *(b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b"NaN", b'{"a": [NaN]}'),
        *(b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b'{"a": 1, "\\u0061": 2}'),
        *(
            rb'{"a": "\ud800"}',
            rb'{"a": "\udc00\ud800"}',
            rb'{"\udfff": 1}',
            rb'{"a": ["\ud800x"]}',
        ),
        *(b'{"a": "\xff"}', b'{"a": "\xc3"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\xc0\x80"}'),
        *(b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16"), '{"a": 1}'.encode("utf-16-le")),
        *(
            '{"a": 1}'.encode("utf-32"),
            '{"a": "é"}'.encode("latin-1"),
            gzip.compress(b"{}", mtime=0),
        ),
    ],
    ids=lambda body: ascii(body)[:40],
)
def test_what_is_not_strict_json_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        read(body)


@pytest.mark.parametrize("body", ["[]", "[{}]", "null", "true", '"{}"', "12", '""', "0.29"])
def test_what_is_no_object_is_invalid(body: str) -> None:
    with pytest.raises(Invalid):
        read(body)


def test_64_levels_of_nesting_are_read() -> None:
    assert "a" in read(nested(64))


def test_65_levels_of_nesting_are_refused() -> None:
    with pytest.raises(Malformed, match="64"):
        read(nested(65))


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b"[" * 100_000 + b"]" * 100_000, nested(150_000), b'[{"a":' * 50_000],
    ids=["open", "closed", "objects", "mixed"],
)
def test_nesting_without_measure_is_refused_without_recursion(body: bytes) -> None:
    with pytest.raises(Malformed, match="deeper"):
        read(body)


def test_brackets_side_by_side_are_no_nesting() -> None:
    assert len(read(b'{"a": [' + b"[],{}," * 500 + b"[]]}")["a"]) == 1_001


@pytest.mark.parametrize("inside", ["[" * 100, '\\"' + "[" * 100, "\\\\" + "{" * 100])
def test_brackets_in_text_are_no_nesting(inside: str) -> None:
    assert read('{"a": "' + inside + '"}') == {"a": json.loads(f'"{inside}"')}


@pytest.mark.parametrize("trick", ['"\\"', '"\\\\"', '"]', '"', '"\\'])
def test_quotes_do_not_hide_nesting(trick: str) -> None:
    with pytest.raises((Malformed, Invalid)):
        read("[" + trick + ", " + "[" * 100)


def test_an_unclosed_text_of_a_mebibyte_is_read_but_once() -> None:
    """In a process of its own: read anew from each of its quotes, it would not end today."""
    code = f"""if True:
        from app.web import bodies
        print(bodies._is_too_deep(b'"' + b'\\\\"' * {A_MEBIBYTE // 2} + b'[' * 65))
    """
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, text=True, timeout=60) == "False\n"


@pytest.mark.parametrize("may_be_empty", [True, False])
def test_text_of_a_mebibyte_is_read(may_be_empty: bool) -> None:
    body = b'{"a": "' + b"x" * (A_MEBIBYTE - 9) + b'"}'
    assert len(read_json(request_of(body), may_be_empty=may_be_empty)["a"]) == A_MEBIBYTE - 9


@pytest.mark.parametrize("content_type", [None, "application/json", "text/plain"])
def test_an_optional_body_may_be_left_out(content_type: str | None) -> None:
    assert read_json(request_of(b"", content_type), may_be_empty=True) == {}


@pytest.mark.parametrize("body", [b" ", b"null", b"[]"])
def test_an_optional_body_is_read_strictly_when_it_is_there(body: bytes) -> None:
    with pytest.raises((Malformed, Invalid)):
        read_json(request_of(body), may_be_empty=True)


@pytest.mark.parametrize(
    "content_type",
    [
        *("application/json", "APPLICATION/JSON", "application/json; charset=utf-8"),
        *("application/json;charset=UTF-8", 'application/json; charset="utf-8"'),
    ],
)
def test_json_in_utf_8_is_accepted_however_it_is_spelled(content_type: str) -> None:
    assert read_json(request_of(b"{}", content_type)) == {}


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "text/plain", "text/json", "application/x-www-form-urlencoded", "json"),
        *("multipart/form-data; boundary=x", "application/problem+json", "application/json5"),
        *("application/json; charset=utf-16", "application/json; charset=latin-1", "*/*"),
        *("application/json, text/plain", "application/xml"),
    ],
)
def test_anything_but_json_in_utf_8_is_another_media_type(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(request_of(b"{}", content_type))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity", "x"])
def test_an_encoded_body_is_another_media_type(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        read_json(request_of(gzip.compress(b"{}", mtime=0), Content_Encoding=encoding))


def test_the_identity_encoding_is_no_encoding() -> None:
    assert read_json(request_of(b"{}", Content_Encoding="identity")) == {}


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(Malformed) as refused:
        read('{"password": "hunter2", "password": "hunter2"}')
    assert "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("q=a", {"q": "a"}),
        ("q=", {"q": ""}),
        ("q=%25_%5C%27+%2B", {"q": "%_\\' +"}),
        ("q=%E6%97%A5", {"q": "日"}),
        ("q=日", {"q": "日"}),
        ("from=a&q=b", {"from": "a", "q": "b"}),
        ("status=a", {"status": ["a"]}),
        ("status=a&status=b&status=a", {"status": ["a", "b", "a"]}),
        ("q", {"q": ""}),
        ("q=a=b", {"q": "a=b"}),
        ("q=a;b", {"q": "a;b"}),
        ("unknown=1", {"unknown": "1"}),
    ],
)
def test_a_query_is_read_as_values_and_lists(query: str, values: dict[str, Any]) -> None:
    assert read_query(query_of(query), Filter()) == values


@pytest.mark.parametrize(
    "query", ["q=a&q=b", "q=a&q=a", "from=a&from=b", "x=1&x=1", "q&q=", "q=&%71="]
)
def test_what_is_no_list_may_be_given_once(query: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_query(query_of(query), Filter())
    assert list(refused.value.errors.values()) == [["Must be given once."]]


@pytest.mark.parametrize(
    "query", [b"q=%FF", b"q=%C3", b"q=%ED%A0%80", b"%FF=1", b"q=%C0%80", b"q=\xff"]
)
def test_a_query_not_in_utf_8_is_malformed(query: bytes) -> None:
    with pytest.raises(Malformed):
        read_query(query_of(query), Filter())


def test_a_query_of_a_plain_schema_has_no_lists() -> None:
    with pytest.raises(Invalid):
        read_query(query_of("a=1&a=2"), Schema.from_dict({"a": Text(5)})())
