"""Reports on the wire: figures are JSON numbers, sums written exactly."""

from enum import StrEnum

from marshmallow import Schema, fields

from app.schemas.common import DayRange, ListFilter, Query
from app.schemas.fields import Anything, Choice, Figure, Id, Instant, Text


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


class ByStatusOut(Schema):
    """How many applications stand in each status; all statuses are always present."""

    PENDING = fields.Integer(dump_only=True)
    FLAGGED = fields.Integer(dump_only=True)
    APPROVED = fields.Integer(dump_only=True)
    REJECTED = fields.Integer(dump_only=True)
    WITHDRAWN = fields.Integer(dump_only=True)
    ACTIVE = fields.Integer(dump_only=True)
    PAID = fields.Integer(dump_only=True)


class MonthOut(Schema):
    month = fields.String(dump_only=True, metadata={"pattern": r"^\d{4}-\d{2}$"})
    total = fields.Integer(dump_only=True)
    sum_amount = Figure(dump_only=True)


class PortfolioOut(Schema):
    """Rates are shares of all applications in the range; null over nothing."""

    total = fields.Integer(dump_only=True)
    by_status = fields.Nested(ByStatusOut, dump_only=True)
    avg_risk_score = Figure(dump_only=True, allow_none=True)
    sum_amount = Figure(dump_only=True)
    sum_outstanding = Figure(dump_only=True)
    approval_rate = Figure(dump_only=True, allow_none=True)
    flagged_rate = Figure(dump_only=True, allow_none=True)
    by_month = fields.List(fields.Nested(MonthOut), dump_only=True)


class PortfolioFilter(DayRange, Query):
    """The days on which the applications were made, and the form of the answer."""

    format = Choice(*Format)


class AuditEventOut(Schema):
    id = Id(dump_only=True)
    at = Instant(dump_only=True)
    actor_id = Id(dump_only=True, allow_none=True)
    actor_kind = fields.String(dump_only=True)
    action = fields.String(dump_only=True)
    subject = fields.String(dump_only=True)
    subject_id = Id(dump_only=True)
    request_id = fields.String(dump_only=True, allow_none=True)
    address = fields.String(dump_only=True, allow_none=True)
    details = Anything(dump_only=True)


class AuditFilter(DayRange, Query):
    subject_id = Id()
    actor_id = Id()
    action = Text(40)


class AuditListFilter(AuditFilter, ListFilter):
    pass
