"""Loans on the wire."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from app.models import LoanStatus, Severity
from app.schemas.common import (
    DayRange,
    ExportFilter,
    ListFilter,
    NamesCustomer,
    Query,
    Sort,
)
from app.schemas.fields import (
    Anything,
    Choice,
    Day,
    Exact,
    ExternalId,
    Id,
    Instant,
    JsonSchema,
    Money,
    Reference,
    Score,
    Text,
    Truth,
    Whole,
)

TERM_MOST = 600
POLICY = "policy"


class ApplicationIn(Schema):
    """What somebody applies for, whoever it is, and what they live on."""

    amount = Money(required=True)
    term_months = Whole(1, TERM_MOST, required=True)
    purpose = Text(200, required=True)
    income = Money(positive=False, required=True)
    expenses = Money(positive=False, required=True)
    external_id = ExternalId(allow_none=True)


class LoanIn(ApplicationIn, NamesCustomer):
    contract_version = Text(30, allow_none=True)
    maximum_payment_date = Day(allow_none=True)


class ApplicationPatchIn(Schema):
    amount = Money()
    term_months = Whole(1, TERM_MOST)
    purpose = Text(200)
    income = Money(positive=False)
    expenses = Money(positive=False)


class LoanPatchIn(ApplicationPatchIn):
    """`status` and its `reason` are for admins."""

    status = Choice(LoanStatus.APPROVED, LoanStatus.REJECTED, LoanStatus.FLAGGED)
    reason = Text(500)

    @validates_schema
    def _reasons_a_decision(self, given: dict[str, Any], **_: Any) -> None:
        if "reason" in given and "status" not in given:
            raise ValidationError("Goes with a status.", "reason")


class FraudFlagOut(Schema):
    rule = fields.String(dump_only=True)
    reason = fields.String(dump_only=True)
    severity = Choice(*Severity, dump_only=True)
    evidence = Anything(dump_only=True)
    created_at = Instant(dump_only=True)


class LoanOut(Schema):
    is_tagged = True

    id = Id(dump_only=True)
    external_id = fields.String(dump_only=True, allow_none=True)
    customer_id = Id(dump_only=True)
    customer_external_id = fields.String(dump_only=True, allow_none=True)
    amount = Money(dump_only=True)
    term_months = fields.Integer(dump_only=True)
    purpose = fields.String(dump_only=True)
    income = Money(dump_only=True)
    expenses = Money(dump_only=True)
    risk_score = Score(dump_only=True)
    status = Choice(*LoanStatus, dump_only=True)
    outstanding = Money(dump_only=True)
    fraud_flags = fields.List(fields.Nested(FraudFlagOut), dump_only=True)
    contract_version = fields.String(dump_only=True, allow_none=True)
    maximum_payment_date = Day(dump_only=True, allow_none=True)
    taken_at = Instant(dump_only=True, allow_none=True)
    created_by = Id(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class LoanFilter(DayRange, Query):
    """`status` may be repeated; the bounds are inclusive."""

    status = fields.List(Choice(*LoanStatus))
    customer = Reference()
    min_amount = Money(positive=False)
    max_amount = Money(positive=False)
    min_risk = Score()
    max_risk = Score()
    flagged = Truth()
    sort = Choice(*Sort, load_default=Sort.NEWEST)


class LoanListFilter(LoanFilter, ListFilter):
    pass


class LoanExportFilter(LoanFilter, ExportFilter):
    pass


class Decider(Id):
    """Who decided: a user or an API key by id, or the policy."""

    json_schema: JsonSchema = {"anyOf": [Id.json_schema, {"const": POLICY}]}

    def _serialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        return POLICY if value is None else str(value)


class ClearanceOut(Schema):
    at = Instant(dump_only=True)
    by = Decider(dump_only=True)
    reason = fields.String(dump_only=True)


class FlagOnRecordOut(FraudFlagOut):
    """A flag, and how it was answered; `cleared` is null while it is open."""

    cleared = fields.Nested(ClearanceOut, dump_only=True, allow_none=True)


class LoanEventOut(Schema):
    from_status = Choice(*LoanStatus, data_key="from", dump_only=True, allow_none=True)
    to_status = Choice(*LoanStatus, data_key="to", dump_only=True)
    at = Instant(dump_only=True)
    by = Decider(dump_only=True)
    reason = fields.String(dump_only=True, allow_none=True)


class FactorOut(Schema):
    """`contribution` is `input` x `weight`; all are shown to twelve decimals."""

    name = fields.String(dump_only=True)
    input = Exact(dump_only=True)
    weight = Exact(dump_only=True)
    contribution = Exact(dump_only=True)


class RiskOut(Schema):
    """The contributions sum to `unrounded`; the score is computed on exact fractions."""

    is_tagged = True

    risk_score = Score(attribute="score", dump_only=True)
    unrounded = Exact(dump_only=True)
    factors = fields.List(fields.Nested(FactorOut), dump_only=True)
