"""What the next page tells of what was just done: carried over the redirect in a signed cookie."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from flask import Request, Response, g, request
from itsdangerous import BadSignature

from app.console import session

COOKIE = "console-told"
# A cookie holds four thousand characters, which these are once they are encoded and signed.
ROOM = 2_000

Kind = Literal["done", "refused"]


@dataclass(frozen=True, slots=True)
class Message:
    kind: Kind
    text: str


def tell(text: str, kind: Kind = "done") -> None:
    """Have it told on the page that comes next; what there is no room for is counted there."""
    g.setdefault("to_tell", []).append((kind, text))


def read(asked: Request) -> list[Message]:
    """What the page that is being made has to tell."""
    g.was_told = True
    try:
        told = session.signer("console told").loads(asked.cookies.get(session.name_of(COOKIE), ""))
    except BadSignature:
        return []
    return [Message(kind, text) for kind, text in told]


def carry(response: Response) -> None:
    """Keep what is to be told for the next page; forget what this one has told."""
    if messages := g.get("to_tell"):
        shown = _fitting(messages)
        if len(shown) < len(messages):
            shown.append(("refused", f"And {len(messages) - len(shown)} more."))
        session.set_cookie(response, COOKIE, str(session.signer("console told").dumps(shown)))
    elif g.get("was_told") and session.name_of(COOKIE) in request.cookies:
        session.drop_cookie(response, COOKIE)


def _fitting(messages: Sequence[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """The first of them, as many as there is room for."""
    through = accumulate(len(ascii(text)) for _, text in messages)
    return [message for message, size in zip(messages, through, strict=True) if size <= ROOM]
