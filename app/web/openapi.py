"""The OpenAPI 3.1 document, built from the contracts that the routes run by."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from marshmallow import Schema, fields
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Rule

from app import cache, errors
from app.cache import Namespace
from app.errors import DomainError
from app.web.endpoint import Contract
from app.web.identity import Credential
from app.web.problems import MEDIA_TYPE, status_of

VERSION = "0.1.0"
DESCRIPTION = (
    "Customers, loan applications with an explained risk score, decisions on the record, and the "
    "portfolio. Money is a string with two decimals; every refusal is a problem (RFC 9457)."
)
DOCUMENT = Namespace("openapi", seconds=86_400)
UNDOCUMENTED = frozenset(("static",))
SECURITY: dict[Credential, list[dict[str, list[str]]]] = {
    Credential.NONE: [],
    Credential.OPTIONAL: [{}, {"bearer": []}, {"apiKey": []}],
    Credential.REQUIRED: [{"bearer": []}, {"apiKey": []}],
    Credential.ANY_TOKEN: [{"bearer": []}, {"refresh": []}],
    Credential.REFRESH: [{"refresh": []}],
}
PAGE_HEADERS = {
    "X-Total-Count": "How many there are in all.",
    "X-Page": "Which page this is, from 1.",
    "X-Page-Size": "How many a page holds.",
    "Link": "first, prev, next and last page (RFC 8288).",
}


ENTITY_TAG = {"ETag": "The version of the record, for If-Match and If-None-Match."}


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
            method.lower(): _operation(app, rule, contract)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        }
        spec.path(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), operations=operations)
    document = spec.to_dict()
    document["tags"] = [{"name": name} for name in sorted(app.blueprints)]
    _require_what_is_always_there(document["components"]["schemas"])
    return document


def contracts(app: Flask) -> Iterator[tuple[Rule, Contract]]:
    """Every route with its contract. Raises Undocumented."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
        if rule.endpoint in UNDOCUMENTED:
            continue
        contract = getattr(app.view_functions[rule.endpoint], "contract", None)
        if contract is None:
            raise Undocumented(f"{rule.rule} ({rule.endpoint}) has no contract")
        yield rule, contract


def _operation(app: Flask, rule: Rule, contract: Contract) -> dict[str, Any]:
    view = app.view_functions[rule.endpoint]
    summary, _, description = (view.__doc__ or "").strip().partition("\n")
    operation: dict[str, Any] = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": summary.rstrip("."),
        "security": SECURITY[contract.credential],
        "parameters": list(_parameters(rule, contract)),
        "responses": _responses(rule, contract),
    }
    if description.strip():
        operation["description"] = description.strip()
    if contract.body is not None:
        operation["requestBody"] = {
            "required": not contract.body_is_optional,
            "content": {"application/json": {"schema": contract.body}},
        }
    return operation


def _parameters(rule: Rule, contract: Contract) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        is_id = f"<uuid:{name}>" in rule.rule
        schema = {"type": "string", "format": "uuid"} if is_id else {"type": "string"}
        yield {"in": "path", "name": name, "required": True, "schema": schema}
    if contract.query is not None:
        yield {"in": "query", "schema": contract.query}
    if _is_tagged(contract) and "GET" in (rule.methods or ()):
        yield {
            "in": "header",
            "name": "If-None-Match",
            "description": "The entity tag the caller already has.",
            "schema": {"type": "string"},
        }
    if contract.conditional:
        yield {
            "in": "header",
            "name": "If-Match",
            "description": "The entity tag the change is based on; a stale one is refused.",
            "schema": {"type": "string"},
        }


def _responses(rule: Rule, contract: Contract) -> dict[str, Any]:
    responses: dict[str, Any] = {str(contract.status): _success(contract)}
    refusals: dict[int, list[str]] = {400: [], 422: [], 503: []}
    for error in _refusals(rule, contract):
        refusals.setdefault(status_of(error), []).append(f"{error.title} (`{error.code()}`)")
    if contract.body is not None:
        refusals |= {413: [], 415: []}
    for status, titles in sorted(refusals.items()):
        name = HTTP_STATUS_CODES[status]
        responses[str(status)] = {
            "description": "; ".join(dict.fromkeys(titles)) or name,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            responses[str(status)]["headers"] = _headers({"Retry-After": "Seconds to wait."})
    if _is_tagged(contract) and "GET" in (rule.methods or ()):
        responses["304"] = {"description": "Not Modified", "headers": _headers(ENTITY_TAG)}
    if contract.is_down is not None:
        responses["503"] = _success(contract)
    return responses


def _refusals(rule: Rule, contract: Contract) -> Iterator[type[DomainError]]:
    yield from contract.raises
    if contract.credential is not Credential.NONE:
        yield errors.Unauthenticated
    if rule.arguments and not any(issubclass(each, errors.NotFound) for each in contract.raises):
        yield errors.NotFound


def _success(contract: Contract) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTP_STATUS_CODES[contract.status]}
    if contract.returns is not None:
        is_array = contract.is_list or contract.many
        schema: Any = contract.returns
        schema = {"type": "array", "items": schema} if is_array else schema
        response["content"] = {contract.produces: {"schema": schema}}
        if contract.table:
            response["content"]["text/csv"] = {"schema": {"type": "string"}}
    elif contract.status != 204:
        response["content"] = {contract.produces: {}}
    headers = dict(PAGE_HEADERS) if contract.is_list else {}
    if contract.location:
        headers["Location"] = "Where the new record is found."
    if _is_tagged(contract):
        headers |= ENTITY_TAG
    if headers:
        response["headers"] = _headers(headers)
    return response


def _headers(meanings: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


def _is_tagged(contract: Contract) -> bool:
    """Whether it answers one record that carries an entity tag."""
    return getattr(contract.returns, "is_tagged", False) and not contract.is_list


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
    """An answer holds every field it declares; a body holds none that it does not."""
    for name, schema in schemas.items():
        if name.endswith("Out"):
            schema["required"] = list(schema["properties"])
            for field in schema["properties"].values():
                field.pop("readOnly", None)
        elif name.endswith("In"):
            schema["additionalProperties"] = False
