"""Payments on the wire."""

from marshmallow import Schema, fields

from app.models import PaymentSource, PaymentStatus
from app.schemas.common import DayRange, ExportFilter, ListFilter, NamesCustomer, Query
from app.schemas.fields import Choice, ExternalId, Id, Instant, Money, Reference


class PaymentIn(NamesCustomer):
    """`source`: `external`, or `account` to take it from the customer's account."""

    external_id = ExternalId(allow_none=True)
    total_amount = Money(required=True)
    source = Choice(*PaymentSource, load_default=PaymentSource.EXTERNAL)


class PaymentDetailOut(Schema):
    """What one loan got of a payment, or owes again of one undone, and what it owed then."""

    loan_id = Id(dump_only=True)
    loan_external_id = fields.String(dump_only=True, allow_none=True)
    amount = Money(dump_only=True)
    outstanding_after = Money(dump_only=True)


class PaymentOut(Schema):
    """`REJECTED`: more than the whole debt, nothing moved. `REVERSED`: it undoes another."""

    is_tagged = True

    id = Id(dump_only=True)
    external_id = fields.String(dump_only=True, allow_none=True)
    customer_id = Id(dump_only=True)
    customer_external_id = fields.String(dump_only=True, allow_none=True)
    total_amount = Money(dump_only=True)
    status = Choice(*PaymentStatus, dump_only=True)
    source = Choice(*PaymentSource, dump_only=True)
    paid_at = Instant(dump_only=True, allow_none=True)
    reverses = Id(dump_only=True, allow_none=True)
    reversed_by = Id(dump_only=True, allow_none=True)
    reason = fields.String(dump_only=True, allow_none=True)
    created_by = Id(dump_only=True)
    created_at = Instant(dump_only=True)
    payment_details = fields.List(fields.Nested(PaymentDetailOut), dump_only=True)


class PaymentFilter(DayRange, Query):
    customer = Reference()
    status = Choice(*PaymentStatus)


class PaymentListFilter(PaymentFilter, ListFilter):
    pass


class PaymentExportFilter(PaymentFilter, ExportFilter):
    pass
