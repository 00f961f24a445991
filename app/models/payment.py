"""Payments towards customers' loans, those that were refused, and those that undo one."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, and_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote

from app.db import Base
from app.errors import CustomerInUse, ExternalIdTaken, PaymentNotReversible
from app.models.base import Identified, now
from app.models.customer import Customer
from app.models.ledger import Book, Entry, Journal
from app.models.loan import MOST
from app.refusals import refuses

refuses("uq_payments_external_id", ExternalIdTaken)
refuses("uq_payments_reverses", PaymentNotReversible)
refuses("fk_payments_customer_id", CustomerInUse)


class PaymentStatus(StrEnum):
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    REVERSED = "REVERSED"


class PaymentSource(StrEnum):
    EXTERNAL = "external"
    ACCOUNT = "account"


class Payment(Identified, Base):
    """One payment, for ever as it was made: append-only.

    COMPLETED went to the loans. REJECTED exceeded the debt, and moved nothing. REVERSED is a
    payment of its own that undoes the one it `reverses`, which stays COMPLETED; its amount is what
    is owed again.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            f"total_amount > 0 AND total_amount <= {MOST}", name="total_amount_in_range"
        ),
        CheckConstraint("status IN ('COMPLETED', 'REJECTED', 'REVERSED')", name="status_known"),
        CheckConstraint("source IN ('external', 'account')", name="source_known"),
        CheckConstraint("(status = 'REVERSED') = (reverses IS NOT NULL)", name="undoes_another"),
        CheckConstraint("(status = 'REJECTED') = (paid_at IS NULL)", name="paid_unless_rejected"),
        Index("uq_payments_external_id", "external_id", unique=True),
        Index("uq_payments_reverses", "reverses", unique=True),
        Index("ix_payments_created_at_id", "created_at", "id"),
        Index("ix_payments_customer_id_created_at_id", "customer_id", "created_at", "id"),
        Index("ix_payments_status_created_at_id", "status", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(60))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    total_amount: Mapped[Decimal]
    status: Mapped[PaymentStatus] = mapped_column(String(10))
    source: Mapped[PaymentSource] = mapped_column(String(10))
    paid_at: Mapped[datetime | None]
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    reason: Mapped[str | None] = mapped_column(String(500))
    created_by: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(default=now)

    customer: Mapped[Customer] = relationship(lazy="raise_on_sql")
    reversal: Mapped["Payment | None"] = relationship(
        lazy="raise_on_sql",
        viewonly=True,
        primaryjoin=lambda: Payment.id == remote(foreign(Payment.reverses)),
    )
    payment_details: Mapped[list[Entry]] = relationship(
        lazy="raise_on_sql",
        viewonly=True,
        secondary=lambda: Journal.__table__,
        primaryjoin=lambda: Payment.id == Journal.payment_id,
        secondaryjoin=lambda: and_(Journal.id == Entry.journal_id, Entry.book == Book.RECEIVABLE),
        order_by=lambda: Entry.id,
    )

    @property
    def customer_external_id(self) -> str | None:
        return self.customer.external_id

    @property
    def etag(self) -> str:
        """As a record's that has a version: being reversed is all that can happen to a payment."""
        return f'"{self.id.hex}.{2 if self.reversal else 1}"'

    @property
    def reversed_by(self) -> UUID | None:
        """The payment that undid this one."""
        return self.reversal.id if self.reversal else None
