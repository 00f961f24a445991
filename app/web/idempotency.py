"""Requests that carry an Idempotency-Key: carried out once, answered alike however often sent."""

import hashlib
import hmac
import os
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid5

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Request, Response

from app import config
from app.errors import DomainError, Malformed
from app.schemas.fields import Numeral
from app.services import idempotency
from app.services.actor import Actor
from app.services.known_places import place_of
from app.web import problems

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
NOBODY = UUID(int=0)
NONCE_BYTES = 12
# Numerals are dataclasses, which orjson would write as objects of its own.
IN_ONE_WAY = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS
KEY = re.compile(r"[ -~]{1,255}")
LONGEST_REFUSAL = 4_096
# For want of a role, the present tag, or patience: with these the same request is another.
PASSING = frozenset((403, 412, 429))


def key_of(asked: Request) -> str | None:
    """The key that the request carries. Raises Malformed for one that is none."""
    key = asked.headers.get(HEADER)
    if key is not None and not KEY.fullmatch(key):
        raise Malformed(f"The {HEADER} must have 1 to 255 printable ASCII characters.")
    return key


def once(
    asked: Request, key: str, actor: Actor | None, sent: object, respond: Callable[[], Response]
) -> Response:
    """What `respond` answers, refusals included, or what was answered first to the same key.

    What is worth another try is not kept: what leaves as an exception, and the refusals whose cause
    is not in the request. Nor is a refusal of nobody in particular or at great length, by which
    anyone could fill the database.
    """
    caller = actor.id if actor else _nobody(asked)
    seal = _Seal(caller, key)
    made: list[Response] = []

    def answer() -> bytes | None:
        made.append(_answer(respond))
        return seal.closed(made[0]) if _is_kept(made[0], actor) else None

    kept = idempotency.once(caller, key, seal.fingerprint(asked, actor, sent), answer)
    return made[-1] if kept is None else seal.opened(kept)


def _answer(respond: Callable[[], Response]) -> Response:
    try:
        return respond()
    except DomainError as error:
        if problems.status_of(type(error)) >= 500:
            raise
        return problems.refusal(error)


def _nobody(asked: Request) -> UUID:
    """For who has no name, the place they call from: or anyone could use up another's keys."""
    return uuid5(NOBODY, place_of(asked.remote_addr) if asked.remote_addr else "")


def _is_kept(response: Response, actor: Actor | None) -> bool:
    if response.status_code < 400:
        return True
    is_short = len(response.get_data()) <= LONGEST_REFUSAL
    return actor is not None and is_short and response.status_code not in PASSING


class _Seal:
    """What only the caller's key, together with the service's secret, can read or compare.

    A body may hold a password, an answer what is shown once.
    """

    def __init__(self, caller: UUID, key: str) -> None:
        self._secret = self._mac(config.current().secret_key.encode(), f"{caller}/{key}".encode())

    def fingerprint(self, asked: Request, actor: Actor | None, sent: object) -> bytes:
        """Of the method, the path, the query and the body, however that was written.

        And of the caller's role: what they were told as an officer is not for who is none any more.
        """
        query, role = asked.query_string.decode("latin-1"), actor.role if actor else None
        request = [asked.method, asked.path.rstrip("/"), query, role, sent]
        written = orjson.dumps(request, default=_number, option=IN_ONE_WAY)
        return self._mac(self._secret, written)

    def closed(self, response: Response) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        head = orjson.dumps([response.status_code, response.headers.to_wsgi_list()])
        packed = head + b"\n" + response.get_data()
        return nonce + AESGCM(self._secret).encrypt(nonce, packed, None)

    def opened(self, kept: bytes) -> Response:
        nonce, closed = kept[:NONCE_BYTES], kept[NONCE_BYTES:]
        head, _, body = AESGCM(self._secret).decrypt(nonce, closed, None).partition(b"\n")
        status, headers = orjson.loads(head)
        response = Response(body, status, headers=[*map(tuple, headers)])
        response.headers[REPLAYED] = "true"
        return response

    @staticmethod
    def _mac(secret: bytes, message: bytes) -> bytes:
        return hmac.digest(secret, message, hashlib.sha256)


def _number(value: Any) -> orjson.Fragment:
    """A JSON number by its value alone: 10, 10.0 and 1e1 are the same."""
    if not isinstance(value, Numeral):
        raise TypeError(f"{value!r} is no JSON")
    if (
        value.literal.isdigit() and value.literal[-1] != "0"
    ):  # as most are; a body may have a million
        return orjson.Fragment(f"{value.literal}e0")
    try:
        sign, digits, exponent = Decimal(value.literal).as_tuple()
    except InvalidOperation:  # of an exponent that no amount has
        return orjson.Fragment(value.literal)
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return orjson.Fragment("0")
    assert isinstance(exponent, int)  # noqa: S101 (a JSON number is finite)
    power = exponent + len(written) - len(significant)
    return orjson.Fragment(f"{'-' * sign}{significant}e{power}")
