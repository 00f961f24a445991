"""Exact numbers: read as they were written, never through a binary float."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from marshmallow import ValidationError, fields

MOST = Decimal("999999999999.99")
MONEY = re.compile(r"(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,2})?")
SCORE = re.compile(r"(?:0(?:\.[0-9]{1,2})?|1(?:\.0{1,2})?)")
WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")

JsonSchema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Numeral:
    """A JSON number as it was written, so that no binary float ever stands in between."""

    literal: str


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
        if value is None or isinstance(value, str):  # exact, from PostgreSQL's JSON
            return value
        return f"{value:.2f}"

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
        literal = value.literal if isinstance(value, Numeral) else in_query(self, value)
        if literal is None or not WHOLE.fullmatch(literal):
            raise ValidationError("Must be a whole number.")
        if not self.least <= int(literal) <= self.most:
            raise ValidationError(f"Must be from {self.least} to {self.most}.")
        return int(literal)


def _literal(value: Any) -> str | None:
    if isinstance(value, Numeral):
        return value.literal
    return value if isinstance(value, str) else None


def in_query(field: fields.Field[Any], value: Any) -> str | None:
    """A query knows only text; a body that writes a number as text is refused."""
    is_text = isinstance(value, str) and getattr(field.root, "is_query", False)
    return value if is_text else None
