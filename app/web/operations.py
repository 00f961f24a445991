"""One operation of the OpenAPI document, from the contract that its route runs by."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from marshmallow import Schema
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.routing import Rule

from app import errors
from app.errors import DomainError
from app.web import idempotency
from app.web.endpoint import Contract
from app.web.identity import Credential
from app.web.problems import MEDIA_TYPE, status_of
from app.web.shown import known_fields
from app.web.uploads import PART

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
    "Link": "first, prev, next and last page (RFC 8288); to prev and next by cursor.",
}
ENTITY_TAG = {"ETag": "What is shown, or its version; with If-None-Match it is not sent again."}
SAVED_AS = {"Content-Disposition": "The name of the file."}
WAIT = {"Retry-After": "Seconds to wait."}
REPLAYED = {idempotency.REPLAYED: "`true` where this was answered before, to the same key."}
FORM = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            # By which OpenAPI 3.1 knows a file; as what it is sent, `encoding` says.
            "properties": {
                PART: {"type": "string", "contentMediaType": "application/octet-stream"}
            },
            "required": [PART],
            "additionalProperties": False,
        },
        "encoding": {PART: {"contentType": "text/csv"}},
    }
}
# Answers before a key is looked at, and those that are worth another try.
NEVER_REPLAYED = frozenset(("400", "401", "413", "415", "429", "503"))


def operation(rule: Rule, contract: Contract, meaning: str | None) -> dict[str, Any]:
    """What `contract` says of `rule`; the first line of `meaning` is the summary."""
    summary, _, description = (meaning or "").strip().partition("\n")
    described: dict[str, Any] = {
        "operationId": rule.endpoint.replace(".", "_"),
        "tags": [rule.endpoint.partition(".")[0]],
        "summary": summary.rstrip("."),
        "security": SECURITY[contract.credential],
        "parameters": list(_parameters(rule, contract)),
        "responses": _responses(rule, contract),
    }
    if description.strip():
        described["description"] = description.strip()
    if contract.body is not None:
        described["requestBody"] = {
            "required": not contract.body_is_optional,
            "content": {"application/json": {"schema": contract.body}},
        }
    if contract.upload is not None:
        described["requestBody"] = {"required": True, "content": FORM}
    return described


def _parameters(rule: Rule, contract: Contract) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        is_id = f"<uuid:{name}>" in rule.rule
        schema = {"type": "string", "format": "uuid"} if is_id else {"type": "string"}
        yield {"in": "path", "name": name, "required": True, "schema": schema}
    if contract.query is not None:
        yield {"in": "query", "schema": contract.query(exclude=_said_apart(contract))}
    if contract.is_trimmed:
        yield _fields(contract)
    yield from _sent_headers(rule, contract)


def _sent_headers(rule: Rule, contract: Contract) -> Iterator[dict[str, Any]]:
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
    if _takes_a_key(rule, contract):
        yield {
            "in": "header",
            "name": idempotency.HEADER,
            "description": "The caller's own name for this request. Sent again with it, the request"
            " is not carried out again, but answered as it was the first time.",
            "schema": {"type": "string", "pattern": f"^{idempotency.KEY.pattern}$"},
        }


def _said_apart(contract: Contract) -> tuple[str, ...]:
    return ("chosen",) if contract.is_trimmed else ()


def _fields(contract: Contract) -> dict[str, Any]:
    """The parameter by which a list is trimmed: it depends on what the list shows."""
    assert contract.returns is not None  # noqa: S101 (a list shows something)
    names = sorted(known_fields(contract.returns))
    return {
        "in": "query",
        "name": "fields",
        "description": "Which fields of each record to answer, separated by commas.",
        "style": "form",
        "explode": False,
        "schema": {
            "type": "array",
            "items": {"type": "string", "enum": names},
            "minItems": 1,
            "uniqueItems": True,
        },
    }


@cache
def _part(schema: type[Schema]) -> type[Schema]:
    """The same fields, none of which must be there."""
    return type(f"{schema.__name__.removesuffix('Out')}Part", (schema,), {})


def _responses(rule: Rule, contract: Contract) -> dict[str, Any]:
    responses: dict[str, Any] = {str(contract.status): _success(contract)}
    refusals: dict[int, list[str]] = {400: [], 422: [], 503: []}
    for error in _refusals(rule, contract):
        refusals.setdefault(status_of(error), []).append(f"{error.title} (`{error.code()}`)")
    if contract.body is not None or contract.upload is not None:
        refusals |= {413: [], 415: []}
    for status, titles in sorted(refusals.items()):
        responses[str(status)] = _refusal(status, titles)
    if _takes_a_key(rule, contract):
        for replayable in responses.keys() - NEVER_REPLAYED:
            responses[replayable].setdefault("headers", {}).update(_headers(REPLAYED))
    if _is_tagged(contract) and "GET" in (rule.methods or ()):
        responses["304"] = {"description": "Not Modified", "headers": _headers(ENTITY_TAG)}
    if contract.is_down is not None:
        responses["503"] = {**_success(contract), "headers": _headers(WAIT)}
    return responses


def _refusal(status: int, titles: Iterable[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": "; ".join(dict.fromkeys(titles)) or HTTP_STATUS_CODES[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        response["headers"] = _headers(WAIT)
    return response


def _refusals(rule: Rule, contract: Contract) -> Iterator[type[DomainError]]:
    yield from contract.raises
    yield errors.TooMany
    if contract.reads is not None:
        yield contract.reads.missing
    if contract.credential is not Credential.NONE:
        yield errors.Unauthenticated
    if contract.needs_totp and contract.credential in (Credential.REQUIRED, Credential.OPTIONAL):
        yield errors.SecondFactorRequired
    is_found = contract.reads or any(issubclass(each, errors.NotFound) for each in contract.raises)
    if rule.arguments and not is_found:
        yield errors.NotFound
    if _takes_a_key(rule, contract):
        yield from (errors.IdempotencyKeyInUse, errors.IdempotencyKeyReused)


def _success(contract: Contract) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTP_STATUS_CODES[contract.status]}
    if contract.streams:
        response["content"] = _streamed(contract)
    elif contract.returns is not None:
        is_array = contract.is_list or contract.many
        schema: Any = contract.returns
        if contract.is_list:
            schema = {"anyOf": [schema, _part(schema)]}
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
    if contract.streams:
        headers |= SAVED_AS
    if headers:
        response["headers"] = _headers(headers)
    return response


def _streamed(contract: Contract) -> dict[str, Any]:
    assert contract.returns is not None  # noqa: S101 (or there is nothing to stream)
    told = {
        "text/csv": "A line of names, and a line for each record.",
        "application/x-ndjson": f"A line for each record, which is a {contract.returns.__name__}.",
    }
    return {
        media_type: {"schema": {"type": "string", "description": meaning}}
        for media_type, meaning in told.items()
    }


def _headers(meanings: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: {"description": meaning, "schema": {"type": "string"}}
        for name, meaning in meanings.items()
    }


def _is_tagged(contract: Contract) -> bool:
    """Whether its answers carry an entity tag: those of one record, and those that are cached."""
    return contract.cached is not None or contract.is_tagged


def _takes_a_key(rule: Rule, contract: Contract) -> bool:
    return contract.takes_a_key and "POST" in (rule.methods or ())
