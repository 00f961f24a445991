"""Text and what is written as text: names, addresses, references, ids."""

import re
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from marshmallow import ValidationError, fields

from app.schemas.fields.numbers import JsonSchema

ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
PHONE = re.compile(r"\+?[0-9][0-9 ().-]{3,30}")
# Six digits of an authenticator app, or a recovery code, in groups or not.
OTP = re.compile(r"[0-9]{6}|[A-Za-z2-7]{4}(?:-?[A-Za-z2-7]{4}){3}")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NAMES = re.compile(r"[a-z_]{1,40}(?:,[a-z_]{1,40}){0,49}")
# What makes a spreadsheet run a cell instead of showing it, in Japanese in full width as well.
FORMULA_STARTS = (
    *("=", "+", "-", "@", "\t", "\r"),
    *("\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}"),
    *("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}"),
)
# Where a spreadsheet that parts cells by semicolon or tab begins one of its own within a cell. The
# quotes around that do not keep it from it, as they begin in the midst of what it takes for a cell.
SPLIT_OFF = re.compile(f'[;\t](?="*[{re.escape("".join(FORMULA_STARTS))}])')
RESERVED = frozenset(("imports", "export", ".", ".."))


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


class Otp(Secret):
    """A one-time password: the six digits that an authenticator app shows, or a recovery code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(19, least=6, **kwargs)

    @property
    def json_schema(self) -> JsonSchema:
        return {**super().json_schema, "pattern": f"^({OTP.pattern})$"}

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not OTP.fullmatch(text):
            raise ValidationError("Must be six digits or a recovery code.")
        return text


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


class Names(fields.Field[tuple[str, ...]]):
    """Some of a record's fields: their names, separated by commas, each once."""

    json_schema: JsonSchema = {"type": "string", "pattern": f"^{NAMES.pattern}$"}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[str, ...]:
        if not isinstance(value, str) or not NAMES.fullmatch(value):
            raise ValidationError("Must be names of fields, separated by commas.")
        names = tuple(value.split(","))
        if len(set(names)) < len(names):
            raise ValidationError("Must name each field once.")
        return names


class Excerpt(fields.Field[str]):
    """Text that somebody sent, whatever it is, as it may be looked at in any program."""

    json_schema: JsonSchema = {"type": "string"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return (
            None if value is None else defused(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", value))
        )


class Id(fields.Field[UUID]):
    """A UUID, in its canonical form."""

    json_schema: JsonSchema = {"type": "string", "format": "uuid"}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return None if value is None else str(value)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> UUID:
        if isinstance(value, str) and ID.fullmatch(value):
            return UUID(value)
        raise ValidationError("Not a valid id.")


def defused(text: str) -> str:
    """The text as a cell that no spreadsheet runs, nor any part of it that it takes for a cell."""
    if ";" in text or "\t" in text:  # for few have them, and the pattern takes long
        text = SPLIT_OFF.sub(r"\g<0>'", text)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
