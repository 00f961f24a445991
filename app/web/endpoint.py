"""The contract of a route: what it takes, what it answers, what it refuses, and who may ask."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import PurePath
from typing import Any

import orjson
from flask import Response, request
from marshmallow import Schema, ValidationError

from app.errors import Contended, DomainError, Invalid, Unauthenticated
from app.schemas.common import ListFilter, ReasonIn
from app.services.access import Actor
from app.services.pages import Page
from app.web import bodies, csv, paging
from app.web.identity import Credential, identify, refresh_token
from app.web.tokens import Bearer

RUNS = 3

View = Callable[..., Any]
Table = Callable[[Any], Iterable[Sequence[object]]]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What `endpoint` was told of a route; the OpenAPI document is built from it."""

    body: Schema | None
    query: Schema | None
    returns: Schema | None
    status: int
    raises: Sequence[type[DomainError]]
    credential: Credential
    is_conditional: bool
    location: str | None
    table: Table | None
    produces: str
    many: bool
    is_down: Callable[[Any], bool] | None

    @property
    def is_list(self) -> bool:
        return isinstance(self.query, ListFilter)

    @property
    def body_is_optional(self) -> bool:
        return isinstance(self.body, ReasonIn)

    def caller(self) -> tuple[Actor | Bearer | None, ...]:
        """The view's first argument, if the route asks who calls. Raises Unauthenticated."""
        if self.credential is Credential.NONE:
            return ()
        if self.credential is Credential.REFRESH:
            return (refresh_token(request),)
        actor = identify(request, also_by_refresh_token=self.credential is Credential.ANY_TOKEN)
        if actor is None and self.credential is not Credential.OPTIONAL:
            raise Unauthenticated
        if actor is not None and self.is_conditional:
            actor = replace(actor, if_match=request.headers.get("If-Match"))
        return (actor,)

    def arguments(self) -> dict[str, Any]:
        """Query and body, read and validated. Raises Malformed, Invalid."""
        arguments = {}
        if self.query is not None:
            arguments["query"] = _load(self.query, bodies.read_query(request, self.query))
        elif request.query_string:
            raise Invalid({name: ["Unknown field."] for name in request.args})
        if self.body is not None:
            sent = bodies.read_json(request, may_be_empty=self.body_is_optional)
            arguments["body"] = _load(self.body, sent)
        return arguments

    def answer(self, result: Any) -> Response:
        """The view's result as a response."""
        if self.returns is None:
            return result if isinstance(result, Response) else Response(status=self.status)
        if self.table and _wants_csv():
            return csv.download(self.table(result), f"{PurePath(request.path).name}.csv")
        page = result if isinstance(result, Page) else None
        many = self.many or page is not None
        shown = self.returns.dump(page.items if page else result, many=many)
        status = 503 if self.is_down and self.is_down(result) else self.status
        response = Response(orjson.dumps(shown), status, mimetype="application/json")
        if page is not None:
            paging.describe(response, request, page)
        if self.location:
            response.headers["Location"] = self.location.format(id=shown["id"])
        etag = getattr(result, "etag", None)
        if etag is not None:
            response.headers["ETag"] = etag
            response.make_conditional(request)
        return response


def endpoint(
    *,
    body: type[Schema] | None = None,
    query: type[Schema] | None = None,
    returns: type[Schema] | None = None,
    status: int = 200,
    raises: Sequence[type[DomainError]] = (),
    credential: Credential = Credential.REQUIRED,
    conditional: bool = False,
    location: str | None = None,
    table: Table | None = None,
    produces: str = "application/json",
    many: bool = False,
    is_down: Callable[[Any], bool] | None = None,
) -> Callable[[View], View]:
    """Give a view its contract.

    The view is called with the actor (with none for Credential.NONE, with the Bearer for REFRESH),
    the path's values, and `body=` and `query=` where there are schemas. What it returns is dumped
    through `returns`; a Page becomes a list with its headers. `conditional` routes honour If-Match.
    `table` turns the result into rows for those who ask for CSV; a result that `is_down` is
    answered with 503. A call that PostgreSQL picked as the victim of a deadlock is run again,
    RUNS times in all.
    """

    def decorate(view: View) -> View:
        contract = Contract(
            body=body() if body else None,
            query=query() if query else None,
            returns=returns() if returns else None,
            status=status,
            raises=raises,
            credential=credential,
            is_conditional=conditional,
            location=location,
            table=table,
            produces=produces,
            many=many,
            is_down=is_down,
        )

        @wraps(view)
        def handle(**path: Any) -> Response:
            if not conditional:  # a read is answered, whatever version its caller had in mind
                request.environ.pop("HTTP_IF_MATCH", None)
            caller = contract.caller()
            arguments = {**path, **contract.arguments()}
            return contract.answer(_run(lambda: view(*caller, **arguments)))

        handle.contract = contract  # type: ignore[attr-defined]
        return handle

    return decorate


def _run(call: Callable[[], Any]) -> Any:
    for _ in range(RUNS - 1):
        try:
            return call()
        except Contended:
            continue
    return call()


def _load(schema: Schema, sent: Mapping[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(sent)
    except ValidationError as error:
        raise Invalid(error.messages_dict) from None
    return loaded


def _wants_csv() -> bool:
    if "format" in request.args:
        return request.args["format"] == "csv"
    best = request.accept_mimetypes.best_match(("application/json", "text/csv"))
    return best == "text/csv"
