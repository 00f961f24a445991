"""What a form sends, as the schemas of the API have it: an empty field says nothing, or empties."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError, fields
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import UnsupportedMediaType

from app.console import forgery
from app.errors import Invalid
from app.schemas.fields import Otp, Secret
from app.web.bodies import must_be_whole
from app.web.uploads import Incoming

# The token of the form, the name of its one sending, and the version of the record on the page.
TOKEN, ONCE, TAG = forgery.FIELD, "once", "tag"
OUR_OWN = frozenset((TOKEN, ONCE, TAG))


def sent_by(asked: Request, incoming: Incoming | None = None) -> MultiDict[str, str]:
    """The fields of the form, of one that is `incoming` those before its file.

    Raises UnsupportedMediaType for what no form of ours sends, RequestEntityTooLarge.
    """
    if incoming is not None:
        return incoming.fields
    if asked.mimetype != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("Send the form as the page has it.")
    sent = asked.form
    must_be_whole(asked)
    return sent


def loaded(schema: type[Schema], sent: MultiDict[str, str]) -> dict[str, Any]:
    """The form's values. Raises Invalid, for what the schema does not know as well."""
    return _load(_of_text(schema), {name: sent.getlist(name) for name in sent.keys() - OUR_OWN})


def asked_for(schema: type[Schema], query: MultiDict[str, str]) -> dict[str, Any]:
    """The same of a query string, in which a filter that was left empty is none."""
    asked = _load(_of_text(schema), {name: query.getlist(name) for name in query})
    asked.pop("chosen", None)
    return asked


def _load(schema: Schema, given: Mapping[str, list[str]]) -> dict[str, Any]:
    known = {field.data_key or name: field for name, field in schema.fields.items()}
    values: dict[str, Any] = {}
    for name, texts in given.items():
        field = known.get(name)
        if isinstance(field, fields.List):
            values[name] = [text for text in texts if text]
        elif len(texts) > 1:
            raise Invalid({name: ["Must be given once."]})
        elif text := texts[0] if _is_told_exactly(field) else texts[0].strip():
            values[name] = text
        elif field is not None and field.allow_none:
            values[name] = None
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise Invalid(error.messages_dict) from None
    return loaded


def _is_told_exactly(field: fields.Field[Any] | None) -> bool:
    """Whether spaces at its ends belong to it: of a password, but not of a code that was copied."""
    return isinstance(field, Secret) and not isinstance(field, Otp)


@cache
def _of_text(schema: type[Schema]) -> Schema:
    """The same, where a number is written as text, as in a query."""
    made: Schema = type(schema.__name__, (schema,), {"is_query": True})()
    return made
