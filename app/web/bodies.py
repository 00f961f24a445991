"""Reading what a client sent: strict JSON with exact numbers, and strict query strings."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from flask import Request
from marshmallow import Schema, fields
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app.errors import Invalid, Malformed
from app.schemas.fields import Numeral

DEEPEST = 64
# Possessive, and taking an unclosed string to its end, so that no byte is looked at twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_json(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The body as an object; numbers arrive as Numeral. An empty body may stand for `{}`.

    Raises Malformed for what cannot be read, UnsupportedMediaType for anything but plain JSON.
    """
    raw = request.get_data(cache=False)
    must_be_whole(request)
    if may_be_empty and not raw:
        return {}
    _must_be_plain_json(request)
    value = _parsed(raw)
    if not isinstance(value, dict):
        raise Invalid({"_schema": ["Must be an object."]})
    return value


def read_query(request: Request, schema: Schema) -> dict[str, Any]:
    """The query string as the schema's lists and single values. Raises Malformed, Invalid."""
    try:
        pairs = parse_qsl(request.query_string.decode(), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed("The query string is not valid UTF-8.") from error
    listed = {
        field.data_key or name
        for name, field in schema.fields.items()
        if isinstance(field, fields.List)
    }
    values: dict[str, Any] = {}
    repeated: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in listed:
            values.setdefault(name, []).append(value)
        elif name in values:
            repeated[name] = ["Must be given once."]
        else:
            values[name] = value
    if repeated:
        raise Invalid(repeated)
    return values


def must_be_whole(request: Request) -> None:
    """Raise RequestEntityTooLarge where the body, which has been read, goes on.

    Werkzeug cuts one that came in chunks at the limit, and says nothing.
    """
    is_chunked = request.content_length is None and "wsgi.input_terminated" in request.environ
    if is_chunked and request.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge


def _must_be_plain_json(request: Request) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("Send application/json in UTF-8.")
    if request.content_encoding not in (None, "", "identity"):
        raise UnsupportedMediaType("Send the body without a content encoding.")


def _parsed(raw: bytes) -> Any:
    if _is_too_deep(raw):
        raise Malformed(f"The body is nested deeper than {DEEPEST} levels.")
    try:
        text = raw.decode()
        value = _decoder.decode(text)
    except UnicodeDecodeError:
        raise Malformed("The body is not valid UTF-8.") from None
    except ValueError as error:
        raise Malformed(f"The body is not valid JSON: {error}") from None
    if "\\u" in text and _SURROGATE.search(json.dumps(value, ensure_ascii=False, default=str)):
        raise Malformed("The body holds half of a surrogate pair.")
    return value


def _is_too_deep(raw: bytes) -> bool:
    """Whether the brackets nest deeper than DEEPEST, strings left out; never recurses."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub(b"", raw)):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names the same key twice")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_decoder = json.JSONDecoder(
    parse_float=Numeral,
    parse_int=Numeral,
    parse_constant=_refuse_constant,
    object_pairs_hook=_object,
)
