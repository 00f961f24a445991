"""Customers' accounts on the wire."""

from marshmallow import Schema, fields

from app.models import Direction, JournalKind
from app.schemas.fields import Choice, ExternalId, Id, Instant, Money, Text


class AccountOut(Schema):
    is_tagged = True

    balance = Money(dump_only=True)
    currency = fields.String(dump_only=True)


class MovementIn(Schema):
    """What is paid into the account, or out of it."""

    amount = Money(required=True)
    external_id = ExternalId(allow_none=True)
    note = Text(500, allow_none=True)


class EntryOut(Schema):
    """What was booked on the account: a `credit` raises its balance, a `debit` lowers it.

    A disbursement names its loan, a payment or its reversal the payment, any other reversal the
    entry that it undoes.
    """

    id = Id(attribute="journal_id", dump_only=True)
    external_id = fields.String(attribute="journal.external_id", dump_only=True, allow_none=True)
    kind = Choice(*JournalKind, attribute="journal.kind", dump_only=True)
    direction = Choice(*Direction, dump_only=True)
    amount = Money(dump_only=True)
    balance_after = Money(dump_only=True)
    note = fields.String(attribute="journal.note", dump_only=True, allow_none=True)
    loan_id = Id(attribute="journal.loan_id", dump_only=True, allow_none=True)
    payment_id = Id(attribute="journal.payment_id", dump_only=True, allow_none=True)
    reverses = Id(attribute="journal.reverses", dump_only=True, allow_none=True)
    created_by = Id(attribute="journal.actor_id", dump_only=True)
    created_at = Instant(attribute="journal.at", dump_only=True)
