"""Answers kept by the caller's Idempotency-Key, in the transaction of what they answer."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import String, Uuid, bindparam, cast, func, literal, select

from app import config
from app.db import append, whole
from app.errors import Contended, IdempotencyKeyInUse, IdempotencyKeyReused
from app.models import KeptAnswer
from app.models.base import now
from app.reading import Reading
from app.refusals import refuses

# So far may the clocks of those who keep answers, and of who forgets them, be apart.
CLOCKS_APART = timedelta(minutes=15)

# Whoever claimed a key in the instant in which the first answer to it was committed has the lock
# but not the answer. Their own cannot be kept beside it: run again, they find the first.
refuses("pk_kept_answers", Contended)

_CALLER, _KEY = bindparam("caller", type_=Uuid()), bindparam("key", type_=String())
_NAME = func.concat(cast(_CALLER, String), "/", _KEY)
_CLAIM = Reading(
    select(
        func.pg_try_advisory_xact_lock(func.hashtextextended(_NAME, 0)).label("is_ours"),
        KeptAnswer.fingerprint,
        KeptAnswer.answer,
    )
    .select_from(select(literal(1)).subquery())
    .outerjoin(KeptAnswer, (KeptAnswer.caller_id == _CALLER) & (KeptAnswer.key == _KEY))
)


def once(
    caller: UUID, key: str, fingerprint: bytes, answer: Callable[[], bytes | None]
) -> bytes | None:
    """The first answer to the caller's key; None where it is the one that `answer` has just made.

    That is made, with all that services commit on the way, in one transaction with its keeping, for
    IDEMPOTENCY_HOURS at least; an answer of None is not kept. Raises IdempotencyKeyInUse while
    another transaction is at it, IdempotencyKeyReused where the first request was another.
    """
    with whole():
        (kept,) = _CLAIM.rows({"caller": caller, "key": key})
        if kept.answer is not None:
            if kept.fingerprint != fingerprint:
                raise IdempotencyKeyReused
            return bytes(kept.answer)
        if not kept.is_ours:
            raise IdempotencyKeyInUse
        made = answer()
        if made is not None:
            _keep(caller_id=caller, key=key, fingerprint=fingerprint, answer=made)
    return None


def _keep(**values: Any) -> None:
    at = now()
    ends = at + timedelta(hours=config.current().idempotency_hours) + CLOCKS_APART
    append(KeptAnswer(**values, created_at=at, expires_at=ends))
