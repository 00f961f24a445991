"""Imports of customers on the wire, and the lines of their files."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, pre_load

from app.models import ImportStatus
from app.schemas.common import ListFilter, Query
from app.schemas.fields import Choice, Excerpt, ExternalId, Id, Instant, Money, Truth

SHOWN_STATUSES = [status for status in ImportStatus if status is not ImportStatus.UPLOADING]


class ImportQuery(Query):
    """`dry_run` checks every line and creates nobody."""

    dry_run = Truth(load_default=False)


class ImportOut(Schema):
    """`created` of a dry run is how many would be. `lines_per_second` is null before the first."""

    is_tagged = True

    id = Id(dump_only=True)
    status = Choice(*SHOWN_STATUSES, dump_only=True)
    filename = fields.String(dump_only=True)
    dry_run = fields.Boolean(dump_only=True, attribute="is_dry_run")
    total_lines = fields.Integer(dump_only=True)
    processed = fields.Integer(dump_only=True)
    created = fields.Integer(dump_only=True)
    rejected = fields.Integer(dump_only=True)
    lines_per_second = fields.Integer(dump_only=True, allow_none=True)
    seconds_left = fields.Integer(dump_only=True, allow_none=True)
    created_by = Id(dump_only=True)
    created_at = Instant(dump_only=True)
    started_at = Instant(dump_only=True, allow_none=True)
    finished_at = Instant(dump_only=True, allow_none=True)


class ImportFilter(ListFilter):
    pass


class RefusedLineOut(Schema):
    """`line` counts from 1, the header included; `value` is the beginning of the line."""

    line = fields.Integer(dump_only=True)
    value = Excerpt(dump_only=True)
    reason = fields.String(dump_only=True)


class CustomerLine(Schema):
    """A line of the file. An empty `preapproved_at` is none."""

    external_id = ExternalId(required=True)
    credit_limit = Money(positive=False, required=True)
    preapproved_at = Instant(load_default=None)

    @pre_load
    def _without_what_is_empty(self, given: Mapping[str, str], **_: Any) -> Mapping[str, str]:
        return {name: said for name, said in given.items() if said or name != "preapproved_at"}


_LINE = CustomerLine()


def judged(given: Mapping[str, str]) -> tuple[str, Decimal, datetime | None] | str:
    """What the line says, in the order of its fields; or what is wrong with each of them."""
    try:
        line = _LINE.load(given)
    except ValidationError as error:
        return "; ".join(f"{name}: {' '.join(said)}" for name, said in error.messages_dict.items())
    return line["external_id"], line["credit_limit"], line["preapproved_at"]
