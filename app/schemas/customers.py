"""Customers on the wire."""

from marshmallow import Schema, fields

from app.models import CustomerStatus
from app.schemas.common import ExportFilter, ListFilter, Query
from app.schemas.fields import Choice, Email, ExternalId, Id, Instant, Money, Phone, Text


class CustomerPatchIn(Schema):
    """What may be changed; `external_id` is for ever. Null empties a field."""

    first_name = Text(100, allow_none=True)
    last_name = Text(100, allow_none=True)
    email = Email(allow_none=True)
    phone = Phone(allow_none=True)
    status = Choice(*CustomerStatus)
    credit_limit = Money(positive=False, allow_none=True)
    preapproved_at = Instant(allow_none=True)


class CustomerIn(CustomerPatchIn):
    """First name, last name and e-mail, or an external_id."""

    external_id = ExternalId(allow_none=True)


class CustomerOut(Schema):
    is_tagged = True

    id = Id(dump_only=True)
    external_id = fields.String(dump_only=True, allow_none=True)
    first_name = fields.String(dump_only=True, allow_none=True)
    last_name = fields.String(dump_only=True, allow_none=True)
    email = fields.String(dump_only=True, allow_none=True)
    phone = fields.String(dump_only=True, allow_none=True)
    status = Choice(*CustomerStatus, dump_only=True)
    credit_limit = Money(dump_only=True, allow_none=True)
    preapproved_at = Instant(dump_only=True, allow_none=True)
    created_by = Id(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class CustomerFilter(Query):
    q = Text(100)
    status = Choice(*CustomerStatus)
    external_id = Text(60)


class CustomerListFilter(CustomerFilter, ListFilter):
    pass


class CustomerExportFilter(CustomerFilter, ExportFilter):
    pass


class BalanceOut(Schema):
    """`available_credit` may be negative after a limit was lowered; null without a limit."""

    is_tagged = True

    external_id = fields.String(dump_only=True, allow_none=True)
    credit_limit = Money(dump_only=True, allow_none=True)
    total_debt = Money(dump_only=True)
    available_credit = Money(dump_only=True, allow_none=True)
