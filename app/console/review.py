"""The review queue: what waits, why, and what is decided about it."""

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response

from app.console.facts import facts_of
from app.console.layout import render
from app.console.page import go, page
from app.console.told import Kind, tell
from app.console.words import short
from app.errors import Unavailable
from app.schemas.console import ReviewFilter, ReviewForm
from app.services import names, review
from app.services.actor import Actor

bp = Blueprint("review", __name__, url_prefix="/review")


@bp.get("/")
@page(query=ReviewFilter)
def show(actor: Actor, query: dict[str, Any]) -> str:
    """List what waits, the oldest first, and open one: the one asked for, or the first."""
    wanted = query.pop("open", None)
    waiting = review.queue(actor, **query)
    ids = [str(loan.id) for loan in waiting.items]
    at = ids.index(wanted) if wanted in ids else 0
    opened = waiting.items[at] if ids else None
    return render(
        "review.html",
        waiting=waiting,
        opened=opened,
        following=(ids[at + 1 :] or ids[:at][-1:] or [""])[0],
        facts=facts_of(actor, opened) if opened else None,
        names=names.of_customers(actor, {loan.customer_id for loan in waiting.items}),
    )


@bp.post("/")
@page(query=ReviewFilter, form=ReviewForm, again=show)
def decide(actor: Actor, query: dict[str, Any], form: dict[str, Any]) -> Response:
    """Decide on each that was chosen, tell what became of it, and open the next."""
    chosen = {tag.partition(".")[0]: f'"{tag}"' for tag in form["loan"]}
    reason = form.get("reason")
    _tell_of(review.decide_each(actor, chosen, form["decision"], reason=reason))
    place = {name: query[name] for name in ("page", "page_size", "cursor") if name in query}
    return go("console.review.show", open=form.get("after"), **place)


def _tell_of(outcomes: Iterable[review.Outcome]) -> None:
    """Each by its name, those together of which the same is to be said."""
    alike: dict[tuple[str, Kind], list[str]] = {}
    for outcome in outcomes:
        if isinstance(outcome.refusal, Unavailable):  # it may have gone after the commit
            said: tuple[str, Kind] = (f"to be looked at again: {outcome.refusal.detail}", "refused")
        elif outcome.refusal:
            said = (f"unchanged: {outcome.refusal.detail}", "refused")
        else:
            said = (f"{outcome.status} now.", "done")
        alike.setdefault(said, []).append(short(outcome.ref))
    for (what, kind), refs in alike.items():
        tell(f"{', '.join(refs)} {'is' if len(refs) == 1 else 'are'} {what}", kind)
