"""The service's own fields: exact money, bounded text, references, days and instants.

Each knows its JSON Schema (`json_schema`), from which the OpenAPI document is built.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from email_validator import EmailNotValidError, validate_email
from marshmallow import ValidationError, fields

MOST = Decimal("999999999999.99")
MONEY = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,2})?")
SCORE = re.compile(r"(?:0(?:\.[0-9]{1,2})?|1(?:\.0{1,2})?)")
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
PHONE = re.compile(r"\+?[0-9][0-9 ().-]{3,30}")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
RESERVED = frozenset(("imports", "export", ".", ".."))

JsonSchema = dict[str, Any]
Option = TypeVar("Option", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A JSON number as it was written, so that no binary float ever stands in between."""

    literal: str


class Text(fields.Field[str]):
    """Text of bounded length, not blank, without control characters."""

    def __init__(self, most: int, *, least: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    @property
    def json_schema(self) -> JsonSchema:
        return {"type": "string", "minLength": self.least, "maxLength": self.most}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("Must be a string.")
        if not self.least <= len(value) <= self.most:
            raise ValidationError(f"Must have {self.least} to {self.most} characters.")
        if UNPRINTABLE.search(value):
            raise ValidationError("Must not contain control characters.")
        if not value.strip():
            raise ValidationError("Must not be blank.")
        return value


class Secret(Text):
    """A password on its way in: any characters but NUL, never shown."""

    @property
    def json_schema(self) -> JsonSchema:
        return {**super().json_schema, "format": "password", "writeOnly": True}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str:
        if not isinstance(value, str) or "\0" in value:
            raise ValidationError("Must be a string.")
        if not self.least <= len(value) <= self.most:
            raise ValidationError(f"Must have {self.least} to {self.most} characters.")
        return value


class Email(Text):
    """An address that could receive mail; its domain in lower case, the rest as written."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(254, **kwargs)

    @property
    def json_schema(self) -> JsonSchema:
        return {**super().json_schema, "format": "email"}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            checked = validate_email(
                text, check_deliverability=False, globally_deliverable=False, test_environment=True
            )
        except EmailNotValidError as error:
            raise ValidationError("Not a valid e-mail address.") from error
        return checked.normalized


class Phone(Text):
    """Digits with the usual punctuation, kept as written."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(32, least=4, **kwargs)

    @property
    def json_schema(self) -> JsonSchema:
        return {**super().json_schema, "pattern": f"^{PHONE.pattern}$"}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not PHONE.fullmatch(text):
            raise ValidationError("Not a phone number.")
        return text


class ExternalId(Text):
    """The caller's own name for a record: addressable in a path, never mistaken for an id."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(60, **kwargs)

    @property
    def json_schema(self) -> JsonSchema:
        return {**super().json_schema, "pattern": r"^[^/\s]([^/]*[^/\s])?$"}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not text.isprintable() or "/" in text or text != text.strip():
            raise ValidationError("Must be printable, without slashes or spaces at the ends.")
        if text.lower() in RESERVED or _is_uuid(text):
            raise ValidationError("Must not be a word of the paths or look like an id.")
        return text


class Reference(Text):
    """An id or an external id of a record."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(60, **kwargs)


class Id(fields.Field[UUID]):
    """A UUID, in its canonical form."""

    json_schema: JsonSchema = {"type": "string", "format": "uuid"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else str(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> UUID:
        if isinstance(value, str) and ID.fullmatch(value):
            return UUID(value)
        raise ValidationError("Not a valid id.")


class Money(fields.Field[Decimal]):
    """An amount, to the cent: out as "25000.00", in as a string or a JSON number, never rounded."""

    def __init__(self, *, positive: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.positive = positive

    @property
    def json_schema(self) -> JsonSchema:
        if self.dump_only:
            return {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]{2}$"}
        text = {"type": "string", "pattern": f"^{MONEY.pattern}$"}
        bound = {"exclusiveMinimum": 0} if self.positive else {"minimum": 0}
        number = {"type": "number", **bound, "maximum": float(MOST), "multipleOf": 0.01}
        return {"anyOf": [text, number]}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else f"{value:.2f}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        literal = _literal(value)
        if literal is None or not MONEY.fullmatch(literal):
            raise ValidationError(
                f"Must be an amount of at most {MOST}, with at most two decimals, as digits."
            )
        amount = Decimal(literal)
        if self.positive and amount == 0:
            raise ValidationError("Must be greater than 0.")
        return amount


class Score(fields.Field[Decimal]):
    """A risk score from "0.00" to "1.00"."""

    json_schema: JsonSchema = {"type": "string", "pattern": f"^{SCORE.pattern}$"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else f"{value:.2f}"

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> Decimal:
        literal = _literal(value)
        if literal is None or not SCORE.fullmatch(literal):
            raise ValidationError("Must be a score from 0.00 to 1.00, with at most two decimals.")
        return Decimal(literal)


class Exact(fields.Field[Decimal]):
    """A figure out as a string, with the decimals it has."""

    json_schema: JsonSchema = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else f"{value:f}"


class Figure(fields.Field[Decimal]):
    """A figure of a report: out as a JSON number, written exactly."""

    json_schema: JsonSchema = {"type": "number"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> orjson.Fragment | None:
        return None if value is None else orjson.Fragment(f"{value:f}".encode())


class Whole(fields.Field[int]):
    """A whole number within bounds: a JSON number in a body, digits in a query."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    @property
    def json_schema(self) -> JsonSchema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        literal = value.literal if isinstance(value, Numeral) else _in_query(self, value)
        if literal is None or not WHOLE.fullmatch(literal):
            raise ValidationError("Must be a whole number.")
        if not self.least <= int(literal) <= self.most:
            raise ValidationError(f"Must be from {self.least} to {self.most}.")
        return int(literal)


class Truth(fields.Field[bool]):
    """true or false: JSON's own in a body, the words in a query."""

    json_schema: JsonSchema = {"type": "boolean"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> bool:
        if isinstance(value, bool):
            return value
        word = _in_query(self, value)
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


def _literal(value: Any) -> str | None:
    if isinstance(value, Numeral):
        return value.literal
    return value if isinstance(value, str) else None


def _in_query(field: fields.Field[Any], value: Any) -> str | None:
    """A query knows only text; a body that writes a number as text is refused."""
    is_text = isinstance(value, str) and getattr(field.root, "is_query", False)
    return value if is_text else None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
