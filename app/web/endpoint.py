"""The contract of a route: its terms, and a view that is held to them."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, wraps
from pathlib import PurePath
from typing import Any

from flask import Response, request
from marshmallow import Schema, ValidationError

from app.errors import Invalid, Unauthenticated, Unavailable
from app.services import replica
from app.services.actor import Actor
from app.services.along import Along
from app.services.pages import Page
from app.services.runs import run
from app.web import bodies, csv, idempotency, limits, paging, streamed
from app.web.identity import Credential, identify, refresh_token
from app.web.shown import json, known_fields, shower
from app.web.tags import made_of, tagged
from app.web.terms import Terms
from app.web.tokens import Bearer
from app.web.uploads import Incoming, Staged, fingerprint

View = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Contract(Terms):
    """A route's terms; as a decorator it holds the view to them.

    The view is called with the actor (with none for Credential.NONE, with the Bearer for REFRESH),
    the path's values, and `body=` and `query=` where there are schemas. What it returns is dumped
    through `returns`; a Page becomes a list with its headers. A call that PostgreSQL picked as the
    victim of a deadlock is run again, three times in all.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        for schema in filter(None, (self.body, self.query, self.returns)):
            _compiled(schema)  # now, at import, not in somebody's request

    def __call__(self, view: View) -> View:
        @wraps(view)
        def handle(**path: Any) -> Response:
            if not self.conditional:  # Werkzeug would refuse a file by it, and not as a problem
                request.environ.pop("HTTP_IF_MATCH", None)
            caller = self._caller()
            with self._taken_in(caller) as staged:
                sent = fingerprint(staged) if staged else self._sent()

                def respond() -> Response:
                    arguments = self._arguments(sent, staged)
                    only = self._only(arguments)
                    if self.reads:
                        return self._answer(view(self._record(caller), **arguments))
                    return self._read(
                        caller, lambda: self._answer(view(*caller, **path, **arguments), only)
                    )

                if key := self._idempotency_key():
                    (actor,) = caller
                    assert not isinstance(actor, Bearer)  # noqa: S101 (those take no key)
                    return run(lambda: idempotency.once(request, key, actor, sent, respond))
                return self._remembered(caller, lambda: run(respond))

        handle.contract = self  # type: ignore[attr-defined]
        handle.pace = self.pace  # type: ignore[attr-defined]
        return handle

    def _caller(self) -> tuple[Actor | Bearer | None, ...]:
        """The view's first argument, if the route asks who calls.

        Raises Unauthenticated; TooMany for too many, or too many that are not good.
        """
        if self.credential is Credential.NONE:
            return ()
        try:
            return self._recognized()
        except Unauthenticated:
            limits.of_bad_credential()
            raise

    def _recognized(self) -> tuple[Actor | Bearer | None, ...]:
        if self.credential is Credential.REFRESH:
            return (refresh_token(request),)
        actor = identify(
            request,
            also_by_refresh_token=self.credential is Credential.ANY_TOKEN,
            needs_totp=self.needs_totp,
            along=self._along(),
        )
        if actor is None and self.credential is not Credential.OPTIONAL:
            raise Unauthenticated
        if actor is not None:
            limits.of_caller(actor)
        if actor is not None and self.conditional:
            actor = replace(actor, if_match=request.headers.get("If-Match"))
        return (actor,)

    def _along(self) -> Along:
        ref = (request.view_args or {}).get("ref", "") if self.reads else ""
        has_position = self.may_be_a_replicas and replica.is_set()
        return Along(self.cached.topic if self.cached else None, self.reads, ref, has_position)

    def _record(self, caller: tuple[Actor | Bearer | None, ...]) -> Any:
        """What was read along with the credential. Raises NotFound."""
        (actor,) = caller
        assert self.reads  # noqa: S101 (or it is not called)
        assert isinstance(actor, Actor)  # noqa: S101 (the credential is required)
        if actor.record is None:
            raise self.reads.missing
        return actor.record

    def _idempotency_key(self) -> str | None:
        if request.method != "POST" or not self.takes_a_key:
            return None
        return idempotency.key_of(request)

    def _sent(self) -> dict[str, Any] | None:
        """The body as it was sent. Raises Malformed, UnsupportedMediaType, Invalid."""
        if self.body is None:
            return None
        return bodies.read_json(request, may_be_empty=self.body_is_optional)

    def _taken_in(
        self, caller: tuple[Actor | Bearer | None, ...]
    ) -> AbstractContextManager[Staged | None]:
        """The file that is sent, if the route takes one, and the query is good."""
        if self.upload is None:
            return nullcontext()
        self._arguments(None)
        (actor,) = caller
        assert isinstance(actor, Actor)  # noqa: S101 (the credential is required)
        return self.upload.taken_in(Incoming(request), actor)

    def _arguments(
        self, sent: Mapping[str, Any] | None, staged: Staged | None = None
    ) -> dict[str, Any]:
        """Query and body, validated, and the file. Raises Malformed, Invalid."""
        arguments: dict[str, Any] = {"upload": staged} if staged else {}
        if self.query is not None:
            schema = _compiled(self.query)
            arguments["query"] = _load(schema, bodies.read_query(request, schema))
            if self.streams:
                arguments["query"].pop("format", None)  # is no matter of the view's
        elif request.query_string:
            raise Invalid({name: ["Unknown field."] for name in request.args})
        if self.body is not None and sent is not None:
            arguments["body"] = _load(_compiled(self.body), sent)
        return arguments

    def _only(self, arguments: dict[str, Any]) -> tuple[str, ...] | None:
        """The fields that the query asks for, taken out of it. Raises Invalid."""
        names: tuple[str, ...] | None = arguments.get("query", {}).pop("chosen", None)
        if names is None or self.returns is None:
            return None
        known = known_fields(self.returns)
        if unknown := [name for name in names if name not in known]:
            raise Invalid({"fields": [f"There is no field {name}." for name in unknown]})
        return names

    def _read(
        self, caller: tuple[Actor | Bearer | None, ...], answer: Callable[[], Response]
    ) -> Response:
        """The answer, by what a replica holds where that will do; an Export sees to that itself."""
        if not self.may_be_a_replicas or self.streams:
            return answer()
        (actor,) = caller
        assert isinstance(actor, Actor)  # noqa: S101 (the credential is required)
        return replica.read(actor.position, answer)

    def _remembered(
        self, caller: tuple[Actor | Bearer | None, ...], respond: Callable[[], Response]
    ) -> Response:
        if self.cached is None:
            return respond()
        (actor,) = caller
        assert isinstance(actor, Actor)  # noqa: S101 (the credential is required)
        form = "csv" if self.table and _wants_csv() else "json"
        return self.cached.answer(request, actor, form, respond)

    def _answer(self, result: Any, only: tuple[str, ...] | None = None) -> Response:
        """The view's result as a response; of each record of a list, `only` those fields."""
        if self.returns is None:
            return result if isinstance(result, Response) else Response(status=self.status)
        if self.table and _wants_csv():
            return csv.download(self.table(result), f"{PurePath(request.path).name}.csv")
        if self.streams:
            return streamed.download(request, result, self.returns, only)
        page = result if isinstance(result, Page) else None
        show = shower(self.returns, tuple(result) if self.is_sparse else only)
        if page is not None or self.many:
            shown: Any = [show(record) for record in (page.items if page else result)]
        else:
            shown = show(result)
        response = Response(json(shown), self.status, mimetype="application/json")
        if self.is_down and self.is_down(result):
            response.status_code = 503
            response.headers["Retry-After"] = str(Unavailable.retry_after)
        if page is not None:
            paging.describe(response, request, page)
        if self.location:
            response.headers["Location"] = self.location.format(id=shown["id"])
        return tagged(response, self._tag(result, response)) if self.is_tagged else response

    def _tag(self, result: Any, response: Response) -> str:
        """The version of a record that has one, else one made of what is shown of it."""
        version: str | None = getattr(result, "etag", None)
        return version or made_of(response.get_data())


endpoint = Contract


@cache
def _compiled(schema: type[Schema]) -> Schema:
    return schema()


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
