"""The contract of a page: who may open it, what it reads, and what becomes of a refusal.

For people what `web.endpoint` is for programs, over the same services.
"""

from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import Response, g, make_response, redirect, request, url_for
from marshmallow import Schema
from werkzeug.datastructures import MultiDict

from app.console import forgery, forms, refusals, session
from app.console.told import tell
from app.errors import (
    DomainError,
    FormSentBefore,
    IdempotencyKeyReused,
    Invalid,
    SecondFactorRequired,
    StaffOnly,
    Unauthenticated,
)
from app.services.actor import Actor
from app.services.runs import run
from app.web import idempotency, limits, problems
from app.web.limits import Pace
from app.web.uploads import Incoming, Staged, Upload, fingerprint

# What is worth another look at the form: the record has changed, or the values are not right.
CORRECTED = frozenset((409, 412, 422))
LONGEST_WAY = 500

Made = str | Response
View = Callable[..., Made]


@dataclass(frozen=True, slots=True)
class Visit:
    """A page that is asked for: by whom, what of, and what its form holds, its file included."""

    actor: Actor | None
    path: dict[str, Any]
    sent: MultiDict[str, str] | None = None
    file: Staged | None = field(default=None, kw_only=True)

    @property
    def caller(self) -> tuple[Actor, ...]:
        return () if self.actor is None else (self.actor,)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What tells the form from another."""
        fields = self.sent.to_dict(flat=False) if self.sent else {}
        return fields if self.file is None else {**fields, **fingerprint(self.file)}


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page promises; as a decorator it holds the view to it.

    The view is called with the actor (with none where the page `is_open`), the path's values, and
    `query=` and `form=` where there are schemas. A form that is refused is shown `again` by that
    view, with what was sent and why, where the status is among `told`. One to be done `once` is,
    however often it is sent. One with an `upload` has its fields before its file, and the view is
    called with that as `upload=`, too. Where admins have to have a second factor, those without are
    led from a page that `needs_totp` to where they set it up. What `is_polled`, by a page on its
    own, keeps no session alive. One with a `pace`, where secrets are guessed at, may be asked for
    at that only.
    """

    query: type[Schema] | None = None
    form: type[Schema] | None = None
    again: View | None = None
    told: Set[int] = CORRECTED
    once: bool = False
    is_open: bool = False
    needs_totp: bool = True
    upload: Upload | None = None
    is_polled: bool = False
    pace: Pace | None = None

    def __call__(self, view: View) -> View:
        @wraps(view)
        def handle(**path: Any) -> Response:
            actor = None if self.is_open else self._actor()
            if isinstance(actor, Response):
                return actor
            if request.method != "POST":
                looking = Visit(actor, path)
                return run(lambda: self._done(view, looking))
            incoming = Incoming(request) if self.upload else None
            forgery.must_be_ours(request, incoming)
            sent = forms.sent_by(request, incoming)
            if actor is not None and sent.get(forms.TAG):
                actor = replace(actor, if_match=f'"{sent[forms.TAG]}"')
            visit = Visit(actor, path, sent)
            if incoming is None:
                return run(lambda: self._done(view, visit))
            return self._answered(visit, lambda: self._taken_in(view, visit, incoming))

        handle.page = self  # type: ignore[attr-defined]
        handle.pace = self.pace  # type: ignore[attr-defined]
        return handle

    def _taken_in(self, view: View, visit: Visit, incoming: Incoming) -> Response:
        """What is answered with the file, which is read once the rest of the form is good."""
        assert self.upload is not None  # noqa: S101 (asked by whoever calls)
        assert visit.actor is not None  # noqa: S101 (a page with an upload is not open)
        self._arguments(visit)
        with self.upload.taken_in(incoming, visit.actor) as staged:
            return run(lambda: self._done(view, replace(visit, file=staged)))

    def _done(self, view: View, visit: Visit) -> Response:
        g.pop("to_tell", None)  # of a run that was in vain

        def respond() -> Response:
            return make_response(view(*visit.caller, **visit.path, **self._arguments(visit)))

        key = visit.sent.get(forms.ONCE, "") if visit.sent is not None and self.once else ""
        if not idempotency.KEY.fullmatch(key):
            return self._answered(visit, respond)
        return _once(key, visit, lambda: self._answered(visit, respond))

    def _answered(self, visit: Visit, respond: Callable[[], Response]) -> Response:
        """What is answered; where it is a refusal that its page tells of, that page."""
        try:
            return respond()
        except DomainError as error:
            if self.again is None or problems.status_of(type(error)) not in self.told:
                raise
            return self._again(error, visit)

    def _arguments(self, visit: Visit) -> dict[str, Any]:
        arguments: dict[str, Any] = {"upload": visit.file} if visit.file else {}
        if self.query is not None:
            arguments["query"] = forms.asked_for(self.query, request.args)
        if self.form is not None and visit.sent is not None:
            arguments["form"] = forms.loaded(self.form, visit.sent)
        return arguments

    def _again(self, error: DomainError, visit: Visit) -> Response:
        """The page that the form is on, with what was typed into it and why it was refused."""
        assert self.again is not None  # noqa: S101 (asked by whoever calls)
        g.refusal, g.sent = error, visit.sent
        g.errors = error.errors if isinstance(error, Invalid) else {}
        its_own: Page = self.again.page  # type: ignore[attr-defined]
        show: View = self.again.__wrapped__  # type: ignore[attr-defined]
        asked = forms.asked_for(its_own.query, MultiDict()) if its_own.query else None
        arguments = visit.path if asked is None else {**visit.path, "query": asked}
        return refusals.headed(make_response(show(*visit.caller, **arguments)), error)

    def _actor(self) -> Actor | Response:
        """Who is at the console. Without a session or a second factor, the way to get one.

        Raises StaffOnly, TooMany; for a form, of which nothing was done, Unauthenticated,
        SecondFactorRequired.
        """
        try:
            actor = session.caller(request, needs_totp=self.needs_totp, is_use=not self.is_polled)
        except SecondFactorRequired:
            if request.method == "POST":
                raise
            return _led(url_for("console.second_factor.show"))
        if actor is None and request.method == "POST":
            raise Unauthenticated(
                "Your session has ended. Nothing was done; log in and do it again."
            )
        if actor is None:
            return _to_login()
        g.actor = actor
        limits.of_caller(actor)
        if not actor.is_staff:
            raise StaffOnly("The console is for officers and admins of the lender.")
        return actor


page = Page


def go(endpoint: str, **values: Any) -> Response:
    """To another page, which the browser asks for anew."""
    return make_response(redirect(url_for(endpoint, **values), 303))


class _Refused(Exception):
    """What was refused leaves nothing behind, so that it may be corrected and sent again."""

    def __init__(self, page: Response) -> None:
        super().__init__()
        self.page = page


def _once(key: str, visit: Visit, respond: Callable[[], Response]) -> Response:
    """What `respond` answers, or answered before. Raises FormSentBefore for another form."""

    def done() -> Response:
        page = refusals.shown_by(respond)
        if page.status_code >= 400:
            raise _Refused(page)
        return page

    try:
        answer = idempotency.once(request, key, visit.actor, visit.fingerprint, done)
    except _Refused as refused:
        return refused.page
    except IdempotencyKeyReused:
        raise FormSentBefore from None
    if idempotency.REPLAYED in answer.headers:
        tell("That was sent twice, and done once.")
    return answer


def _to_login() -> Response:
    query = request.query_string.decode("latin-1")
    here = quote(request.path) + (f"?{query}" if query else "")
    return _led(url_for("console.door.show", next=here if len(here) <= LONGEST_WAY else None))


def _led(there: str) -> Response:
    """To another page, also where a script has asked for a piece of this one."""
    if "HX-Request" in request.headers:
        return Response(status=204, headers={"HX-Redirect": there})
    return make_response(redirect(there, 303))
