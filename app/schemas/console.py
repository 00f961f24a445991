"""What the forms and addresses of the console hold, beside what the API has already."""

from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length

from app.models import PaymentSource, Role
from app.schemas.auth import ApiKeyOut, LoginIn, RegisterIn
from app.schemas.common import DayRange, ListFilter, Query
from app.schemas.customers import CustomerPatchIn
from app.schemas.fields import (
    Choice,
    Day,
    ExternalId,
    Id,
    Instant,
    Money,
    Reference,
    Text,
)

CHOSEN_MOST = 100
TAG_MOST = 60


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    FLAG = "flag"
    CLEAR_FLAGS = "clear-flags"
    WITHDRAW = "withdraw"
    ACTIVATE = "activate"


EXPLAINED = frozenset((Decision.FLAG, Decision.CLEAR_FLAGS))


class LogInQuery(Query):
    """Where to go once logged in."""

    next = Text(500)


class LogInForm(LoginIn):
    next = Text(500)


class FiguresFilter(DayRange, Query):
    """The days on which the applications were made."""


class ReviewFilter(ListFilter):
    """Which page of the queue, and the application to open on it."""

    open = Reference()


class DecisionForm(Schema):
    """One decision and why; not without, where it raises flags or answers them."""

    decision = Choice(*Decision, required=True)
    reason = Text(500)

    @validates_schema
    def _explains_flags(self, given: dict[str, Any], **_: Any) -> None:
        if given.get("decision") in EXPLAINED and "reason" not in given:
            raise ValidationError("Say why: it goes on record.", "reason")


class ReviewForm(DecisionForm):
    """The same on several: each by its entity tag, as the page showed it."""

    loan = fields.List(Text(TAG_MOST), required=True, validate=Length(1, CHOSEN_MOST))
    after = Reference()


class CustomerForm(CustomerPatchIn):
    """A new customer: first name, last name and e-mail, or an external id."""

    external_id = ExternalId(allow_none=True)


class PaymentForm(Schema):
    customer = Reference(required=True)
    total_amount = Money(required=True)
    source = Choice(*PaymentSource, load_default=PaymentSource.EXTERNAL)
    external_id = ExternalId(allow_none=True)


class UserForm(RegisterIn):
    role = Choice(*Role, load_default=Role.OFFICER)


class ApiKeyForm(Schema):
    """`expires_on` is the last whole UTC day on which the key is good."""

    name = Text(60, required=True)
    role = Choice(Role.OFFICER, Role.APPLICANT, required=True)
    expires_on = Day()


class ApiKeyLineOut(ApiKeyOut):
    """With who made it, as the list of the console has it."""

    created_by = Id(dump_only=True)


class HoneypotVisitOut(Schema):
    id = Id(dump_only=True)
    at = Instant(dump_only=True)
    address = fields.String(dump_only=True, allow_none=True)
    name = fields.String(dump_only=True)
    user_agent = fields.String(dump_only=True)
