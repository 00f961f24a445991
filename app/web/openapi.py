"""The OpenAPI 3.1 document, built from the contracts that the routes run by."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields
from werkzeug.routing import Rule

from app import cache
from app.cache import Namespace
from app.schemas.fields import AT_TIMES
from app.web.endpoint import Contract
from app.web.operations import operation

VERSION = "0.1.0"
DESCRIPTION = (
    "Customers, loan applications with an explained risk score, decisions on the record, and the "
    "portfolio. Money is a string with two decimals; every refusal is a problem (RFC 9457)."
)
DOCUMENT = Namespace("openapi", seconds=86_400)
# Pages, which are for people.
UNDOCUMENTED = frozenset(("console", "honeypot", "static"))


class Undocumented(Exception):
    """A route without a contract."""


def text(app: Flask) -> bytes:
    """The document as it is served and committed."""
    return orjson.dumps(build(app), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def served(app: Flask) -> bytes:
    """The document of the running release; the first process that is asked builds it for all."""
    if "openapi" not in app.extensions:
        # The release is in every key; of the settings the document shows one.
        key = DOCUMENT.key(app.extensions["settings"].api_key_header)
        app.extensions["openapi"] = cache.once(key, lambda: text(app))
    document: bytes = app.extensions["openapi"]
    return document


def build(app: Flask) -> dict[str, Any]:
    """The document of every route. Raises Undocumented for a route without a contract."""
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(
        title="Loan service",
        version=VERSION,
        openapi_version="3.1.0",
        info={"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
        plugins=[plugin],
    )
    assert plugin.converter is not None  # noqa: S101 (made by APISpec just above)
    plugin.converter.add_attribute_function(_json_schema)  # type: ignore[no-untyped-call]
    _add_components(spec, app)
    for rule, contract in contracts(app):
        operations = {
            method.lower(): operation(rule, contract, app.view_functions[rule.endpoint].__doc__)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        }
        spec.path(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), operations=operations)
    document = spec.to_dict()
    tagged = {rule.endpoint.partition(".")[0] for rule, _ in contracts(app)}
    document["tags"] = [{"name": name} for name in sorted(tagged)]
    _require_what_is_always_there(document["components"]["schemas"])
    return document


def contracts(app: Flask) -> Iterator[tuple[Rule, Contract]]:
    """Every route with its contract. Raises Undocumented."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
        if rule.endpoint.partition(".")[0] in UNDOCUMENTED:
            continue
        contract = getattr(app.view_functions[rule.endpoint], "contract", None)
        if contract is None:
            raise Undocumented(f"{rule.rule} ({rule.endpoint}) has no contract")
        yield rule, contract


def _add_components(spec: APISpec, app: Flask) -> None:
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    key_header = app.extensions["settings"].api_key_header
    spec.components.security_scheme("bearer", {**scheme, "description": "An access token."})
    spec.components.security_scheme("refresh", {**scheme, "description": "A refresh token."})
    spec.components.security_scheme(
        "apiKey", {"type": "apiKey", "in": "header", "name": key_header}
    )
    words = ("type", "title", "code", "detail", "message", "request_id")
    properties: dict[str, Any] = {word: {"type": "string"} for word in words}
    properties |= {"status": {"type": "integer"}, "errors": {"type": "object"}}
    spec.components.schema(
        "Problem", {"type": "object", "required": [*words, "status"], "properties": properties}
    )


def _json_schema(_: Any, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    """A field's own JSON Schema; apispec's mapping knows only marshmallow's fields."""
    known = getattr(field, "json_schema", None)
    if known is None or not field.allow_none:
        return dict(known or {})
    return {"anyOf": [known, {"type": "null"}]}


def _name(schema: type[Schema] | Schema) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__


def _require_what_is_always_there(schemas: dict[str, Any]) -> None:
    """An answer holds every field it declares, but what it says is there only at times.

    A body holds none that it does not declare.
    """
    for name, schema in schemas.items():
        if name.endswith("Out"):
            fields_there = schema["properties"].items()
            schema["required"] = [each for each, of in fields_there if not of.pop(AT_TIMES, False)]
            for field in schema["properties"].values():
                field.pop("readOnly", None)
        elif name.endswith("Part"):
            for field in schema["properties"].values():
                field.pop("readOnly", None)
        elif name.endswith("In"):
            schema["additionalProperties"] = False
