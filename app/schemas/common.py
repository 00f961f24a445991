"""What the schemas of several domains share."""

from datetime import date
from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, post_load, validates_schema

from app.schemas.fields import Choice, Day, Id, Names, Reference, Text, Whole

PAGE_SIZE = 20
PAGE_SIZE_MOST = 100
PAGE_MOST = 1_000_000_000
CURSOR_MOST = 200


class Query(Schema):
    """The parameters of a query string; each may be given once, unless it is a list."""

    is_query = True


class Sort(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


class ListFilter(Query):
    """Which page of a list to answer, by number or from a `cursor` on; of each record, `fields`."""

    page = Whole(1, PAGE_MOST, load_default=1)
    page_size = Whole(1, PAGE_SIZE_MOST, load_default=PAGE_SIZE)
    cursor = Text(CURSOR_MOST)
    chosen = Names(data_key="fields")


class ExportFilter(Query):
    """The form of an export, by default as the request accepts; of each record, `fields`."""

    format = Choice(*ExportFormat)
    chosen = Names(data_key="fields")


class DayRange(Schema):
    """`from` and `to`: whole UTC days, both included."""

    first = Day(data_key="from")
    last = Day(data_key="to")

    @validates_schema
    def _in_order(self, given: dict[str, Any], **_: Any) -> None:
        first, last = given.get("first"), given.get("last")
        if isinstance(first, date) and isinstance(last, date) and first > last:
            raise ValidationError("Must not be before from.", "to")


class ReasonIn(Schema):
    """Why, for the record."""

    reason = Text(500)


class ReasonRequiredIn(Schema):
    """Why, for the record; not without."""

    reason = Text(500, required=True)


class NamesCustomer(Schema):
    """The customer is named by `customer_id` or by `customer_external_id`: one of them."""

    customer_id = Id()
    customer_external_id = Reference()

    @validates_schema
    def _names_one_customer(self, given: dict[str, Any], **_: Any) -> None:
        if ("customer_id" in given) == ("customer_external_id" in given):
            raise ValidationError(
                "Name one of customer_id and customer_external_id.", "customer_id"
            )

    @post_load
    def _as_customer(self, given: dict[str, Any], **_: Any) -> dict[str, Any]:
        named = given.pop("customer_id", None) or given.pop("customer_external_id")
        return {**given, "customer": str(named)}
