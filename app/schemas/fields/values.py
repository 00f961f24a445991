"""Truths, choices, days and moments."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from marshmallow import ValidationError, fields

from app.schemas.fields.numbers import JsonSchema, in_query

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)

Option = TypeVar("Option", bound=StrEnum)


class Truth(fields.Field[bool]):
    """true or false: JSON's own in a body, the words in a query."""

    json_schema: JsonSchema = {"type": "boolean"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = in_query(self, value)
        if word not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return word == "true"


class Choice(fields.Field[Option], Generic[Option]):
    """One of an enumeration's values, written exactly so."""

    def __init__(self, *options: Option, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.options = {str(option): option for option in options}

    @property
    def json_schema(self) -> JsonSchema:
        return {"type": "string", "enum": list(self.options)}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Option:
        if not isinstance(value, str) or value not in self.options:
            raise ValidationError(f"Must be one of: {', '.join(self.options)}.")
        return self.options[value]


class Day(fields.Field[date]):
    """A calendar day, YYYY-MM-DD."""

    json_schema: JsonSchema = {"type": "string", "format": "date"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else value.isoformat()

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> date:
        try:
            if isinstance(value, str) and DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise ValidationError("Must be a day of the calendar, YYYY-MM-DD.")


class Instant(fields.Field[datetime]):
    """A moment: RFC 3339, any offset in, UTC out."""

    json_schema: JsonSchema = {"type": "string", "format": "date-time"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, str):  # from a JSON document of PostgreSQL's
            value = datetime.fromisoformat(value)
        text: str = value.astimezone(UTC).isoformat()
        return text.removesuffix("+00:00") + "Z"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        try:
            if isinstance(value, str) and INSTANT.fullmatch(value):
                return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise ValidationError("Must be a moment with its offset, like 2026-01-31T09:30:00Z.")


class Anything(fields.Field[Any]):
    """A JSON value shown as it is stored."""

    json_schema: JsonSchema = {}
