"""The service's own fields: exact money, bounded text, references, days and instants.

Each knows its JSON Schema (`json_schema`), from which the OpenAPI document is built.
"""

from app.schemas.fields.numbers import Exact, Figure, JsonSchema, Money, Numeral, Score, Whole
from app.schemas.fields.text import (
    RESERVED,
    Email,
    Excerpt,
    ExternalId,
    Id,
    Names,
    Otp,
    Phone,
    Reference,
    Secret,
    Text,
    defused,
)
from app.schemas.fields.values import Anything, Choice, Day, Instant, Truth

# In a field's metadata: an answer may do without it, and the document says so.
AT_TIMES = "x-at-times"

__all__ = [
    "AT_TIMES",
    "RESERVED",
    "Anything",
    "Choice",
    "Day",
    "Email",
    "Exact",
    "Excerpt",
    "ExternalId",
    "Figure",
    "Id",
    "Instant",
    "JsonSchema",
    "Money",
    "Names",
    "Numeral",
    "Otp",
    "Phone",
    "Reference",
    "Score",
    "Secret",
    "Text",
    "Truth",
    "Whole",
    "defused",
]
