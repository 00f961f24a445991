"""Generations: the name of everything committed about a topic, which changes with every write.

Read first, and what is read after it holds every write that the generation knows of. What was
computed so may be answered to whoever finds the same generation: no write came between.
"""

from functools import cache

from sqlalchemy import ColumnElement, String, cast, func, literal_column, select

from app.models.generation import Generation, Topic
from app.reading import Reading

__all__ = ["Topic", "current", "read_along"]


def current(topic: Topic) -> str | None:
    """The generation of this moment; None when there is none, and nothing may be cached."""
    found: str | None = _reading(topic).rows({})[0].generation
    return found


def read_along(topic: Topic | None) -> ColumnElement[str | None]:
    """The column `generation`, for a statement that is sent anyway; NULL of no topic.

    NULL, too, in a transaction that has raised it: what that writes yet raises it no further.
    """
    if topic is None:
        return literal_column("NULL::text").label("generation")
    # In any order: the rows keep theirs until one of them changes.
    tokens = func.string_agg(cast(Generation.token, String), literal_column("','"))
    of_topic = select(tokens).where(
        Generation.topic == literal_column(f"'{topic}'"),
        literal_column(f"current_setting('generations.{topic}', true) IS DISTINCT FROM 'raised'"),
    )
    return of_topic.scalar_subquery().label("generation")


@cache
def _reading(topic: Topic) -> Reading:
    return Reading(select(read_along(topic)))
