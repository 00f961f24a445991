"""Generations: the name of everything committed about a topic, which changes with every write.

Read first, and what is read after it holds every write that the generation knows of. What was
computed so may be answered to whoever finds the same generation: no write came between.
"""

from functools import cache
from typing import Any

from sqlalchemy import Select, String, cast, func, literal_column, select

from app.db import db
from app.models.generation import Generation, Topic

__all__ = ["Topic", "current"]


def current(topic: Topic) -> str | None:
    """The generation of this moment; None when there is none, and nothing may be cached."""
    generation: str | None = db.session.connection().execute(_query(topic)).scalar()
    return generation


@cache
def _query(topic: Topic) -> Select[Any]:
    # In any order: the rows keep theirs until one of them changes.
    tokens = func.string_agg(cast(Generation.token, String), literal_column("','"))
    return select(tokens).where(Generation.topic == topic)
