"""What every page of the console has: who is there, where they can go, what is to be told."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, render_template, request, url_for
from marshmallow import Schema, fields

from app import config
from app.console import forgery, told, words
from app.errors import DomainError
from app.schemas.fields import Choice
from app.services.actor import Actor
from app.services.pages import Page
from app.web import headers

PLACING = frozenset(("page", "cursor", "open"))
# What is a matter of a list's page, and not of which records it has.
PAGING = PLACING | {"page_size", "fields"}
# Endpoint, name, and whether it is for admins alone.
PLACES = (
    ("console.home.show", "Overview", True),
    ("console.review.show", "Review", False),
    ("console.loans.index", "Loans", False),
    ("console.customers.index", "Customers", False),
    ("console.payments.index", "Payments", False),
    ("console.imports.index", "Imports", False),
    ("console.people.index", "Users", True),
    ("console.keys.index", "API keys", True),
    ("console.trail.index", "Audit", True),
)


@dataclass(frozen=True, slots=True)
class Form:
    """One of a page's forms: where it is sent, and what of it was sent in vain."""

    id: str
    action: str
    is_sent: bool

    @classmethod
    def of(cls, id_: str, endpoint: str, **values: Any) -> "Form":
        """Of a page's records the path names the first as one likes; the others by their ids."""
        its_own = {name: str(value) for name, value in values.items() if name != "ref"}
        asked = {name: str(value) for name, value in (request.view_args or {}).items()}
        is_here = request.endpoint == endpoint and its_own.items() <= asked.items()
        return cls(id_, url_for(endpoint, **values), is_here and g.get("sent") is not None)

    @property
    def refusal(self) -> DomainError | None:
        refusal: DomainError | None = g.refusal if self.is_sent else None
        return refusal

    def value(self, name: str, otherwise: str = "") -> str:
        """What was typed, or else what the record has."""
        return str(g.sent.get(name, otherwise)) if self.is_sent else otherwise

    def errors(self, name: str) -> list[str]:
        """Why the field was refused."""
        found = g.errors.get(name, ()) if self.is_sent else ()
        return [str(each) for each in found]


def init(console: Blueprint) -> None:
    console.context_processor(_for_every_page)
    console.after_request(_finish)


def render(template: str, **values: Any) -> str:
    """A page of the console."""
    return render_template(f"console/{template}", **values)


def options(schema: type[Schema], name: str) -> list[str]:
    """What may be chosen in a field of a schema."""
    field = schema().fields[name]
    choice = field.inner if isinstance(field, fields.List) else field
    assert isinstance(choice, Choice)  # noqa: S101 (named by our own templates)
    return list(choice.options)


def _finish(response: Response) -> Response:
    told.carry(response)
    forgery.keep_visit(response)
    return headers.protected(response)


def _for_every_page() -> dict[str, Any]:
    actor: Actor | None = g.get("actor")
    return {
        "actor": actor,
        "places": [place for place in PLACES if actor and _may_go(actor, place[2])],
        "messages": lambda: told.read(request),
        "csrf": forgery.token,
        "once": lambda: token_urlsafe(16),
        "form": Form.of,
        "turning": _turning,
        "exporting": _exporting,
        "asked": request.args,
        "currency": config.current().currency,
        "words": words,
    }


def _may_go(actor: Actor, is_for_admins: bool) -> bool:
    return actor.is_admin or (actor.is_staff and not is_for_admins)


def _turning(page: Page[Any]) -> Mapping[str, str]:
    """Where the first, the previous and the next page of a list are, as far as they are."""
    places: dict[str, dict[str, Any]] = {}
    if page.number > 1:
        places["first"] = {}
    if page.before:
        places["previous"] = {"page": max(1, page.number - 1), "cursor": page.before}
    if page.after:
        places["next"] = {"page": page.number + 1, "cursor": page.after}
    kept = _asked_but(PLACING)
    here = url_for(request.endpoint or "", **(request.view_args or {}))
    return {name: f"{here}?{urlencode([*kept, *place.items()])}" for name, place in places.items()}


def _exporting(endpoint: str) -> str:
    """Where all that the list has, whatever its page, is saved as a file."""
    return f"{url_for(endpoint)}?{urlencode(_asked_but(PAGING))}".rstrip("?")


def _asked_but(left_out: Set[str]) -> list[tuple[str, str]]:
    given = request.args.items(multi=True)
    return [(name, value) for name, value in given if name not in left_out and value]
