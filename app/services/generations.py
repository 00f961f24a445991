"""Generations: the name of everything committed about a topic, which changes with every write.

Read first, and what is read after it holds every write that the generation knows of. What was
computed so may be answered to whoever finds the same generation: no write came between.
"""

from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect, Select, String, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.db import db
from app.models.generation import Generation, Topic

__all__ = ["Topic", "current", "of"]


def current(topic: Topic) -> str | None:
    """The generation of this moment; None when there is none, and nothing may be cached."""
    generation: str | None = db.session.connection().execute(_query(topic)).scalar()
    return generation


def of(topic: Topic) -> ScalarSelect[str | None]:
    """The same as a part of another statement, whose other parts are then of the same moment."""
    tokens = func.array_agg(aggregate_order_by(Generation.token, Generation.slot))
    joined = func.array_to_string(tokens, ",", type_=String)
    return select(joined).where(Generation.topic == topic).scalar_subquery()


@cache
def _query(topic: Topic) -> Select[Any]:
    return select(of(topic))
