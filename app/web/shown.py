"""Records as they are shown: schemas turned into functions once, and JSON out of what those give.

marshmallow's own dump looks each field up anew for each record, which takes most of the time in
which a page of a list is written.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, lru_cache
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import orjson
from marshmallow import Schema, fields

from app.schemas.fields import Anything, Choice, Id, Instant

Show = Callable[[Any], Any]
# What orjson writes as these fields would, byte for byte: by type, for a subclass may differ.
WRITTEN_AS_IT_IS = (fields.Integer, fields.Boolean, Anything, Choice, Id)
CHOICES_KEPT = 1_000


class Part(NamedTuple):
    """A field of a schema: what it is called, whence it comes, how it is shown; None for as is."""

    key: str
    name: str
    field: fields.Field[Any]
    show: Show | None


def json(shown: Any) -> bytes:
    """What is shown, as JSON; moments that are UTC end in Z."""
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


@lru_cache(CHOICES_KEPT)
def shower(schema: type[Schema], only: tuple[str, ...] | None = None) -> Show:
    """From a record, an object or a mapping, to what is shown of it: all fields, or `only` those.

    A record must have every field. The fields come in the schema's order.
    """
    parts = parts_of(schema, only)
    of_object = [(part.key, attrgetter(part.name), part.show) for part in parts]
    of_mapping = [(part.key, itemgetter(part.name), part.show) for part in parts]

    def show(record: Any) -> dict[str, Any]:
        taken = of_mapping if isinstance(record, dict) else of_object
        return {key: show(get(record)) if show else get(record) for key, get, show in taken}

    return show


def parts_of(schema: type[Schema], only: tuple[str, ...] | None = None) -> list[Part]:
    """The fields that are shown, in the schema's order: all, or `only` those."""
    return [
        Part(field.data_key or name, field.attribute or name, field, _shown_by(field))
        for name, field in schema().dump_fields.items()
        if only is None or (field.data_key or name) in only
    ]


@cache
def known_fields(schema: type[Schema]) -> frozenset[str]:
    """The names of the fields that are shown."""
    return frozenset(field.data_key or name for name, field in schema().dump_fields.items())


def _shown_by(field: fields.Field[Any]) -> Show | None:
    """How a field's value is shown; None for just as it is."""
    if isinstance(field, fields.Nested):
        return _unless_none(shower(_schema_of(field)))
    if isinstance(field, fields.List):
        return _all_shown(_shown_by(field.inner))
    if type(field) in WRITTEN_AS_IT_IS:
        return None
    if type(field) is fields.String:
        return _text
    if type(field) is Instant:
        return _instant(field)
    serialize = field._serialize
    return lambda value: serialize(value, None, None)


def _schema_of(field: fields.Nested) -> type[Schema]:
    return type(field.schema)


def _unless_none(show: Show) -> Show:
    return lambda value: None if value is None else show(value)


def _all_shown(show: Show | None) -> Show:
    """Of none that are NULL out of PostgreSQL, too."""
    if show is None:
        return lambda values: list(values or ())
    return lambda values: [show(value) for value in values or ()]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


def _instant(field: Instant) -> Show:
    """orjson writes a moment in UTC as the field does; others and text out of JSON not."""
    serialize = field._serialize

    def show(value: Any) -> Any:
        is_utc = isinstance(value, datetime) and value.tzinfo is UTC
        return value if is_utc else serialize(value)

    return show
