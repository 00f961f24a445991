"""Loans from application to the last payment: their states, their history, their flags."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Numeric,
    String,
    and_,
    exists,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, append
from app.errors import CustomerInUse, ExternalIdTaken, IllegalTransition
from app.models.base import Identified, Timestamped, Versioned, now
from app.models.customer import Customer
from app.refusals import refuses

refuses("uq_loans_external_id", ExternalIdTaken)
refuses("fk_loans_customer_id", CustomerInUse)


class LoanStatus(StrEnum):
    PENDING = "PENDING"
    FLAGGED = "FLAGGED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    WITHDRAWN = "WITHDRAWN"
    ACTIVE = "ACTIVE"
    PAID = "PAID"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


TRANSITIONS: Mapping[LoanStatus, frozenset[LoanStatus]] = {
    LoanStatus.PENDING: frozenset(
        (LoanStatus.APPROVED, LoanStatus.REJECTED, LoanStatus.FLAGGED, LoanStatus.WITHDRAWN)
    ),
    LoanStatus.FLAGGED: frozenset(
        (LoanStatus.APPROVED, LoanStatus.REJECTED, LoanStatus.WITHDRAWN, LoanStatus.PENDING)
    ),
    LoanStatus.APPROVED: frozenset((LoanStatus.ACTIVE, LoanStatus.WITHDRAWN)),
    LoanStatus.ACTIVE: frozenset((LoanStatus.PAID,)),
    LoanStatus.REJECTED: frozenset(),
    LoanStatus.WITHDRAWN: frozenset(),
    LoanStatus.PAID: frozenset(),
}
EDITABLE = frozenset((LoanStatus.PENDING, LoanStatus.FLAGGED))
AWAITED = (LoanStatus.PENDING, LoanStatus.FLAGGED, LoanStatus.APPROVED)
STATUSES = ", ".join(f"'{status}'" for status in LoanStatus)
MOST = "999999999999.99"
FLAGGED = text("open_flags > 0")
# As written in queries, or plans would not know them for the same.
OWED = text("status IN ('PENDING', 'FLAGGED', 'APPROVED', 'ACTIVE')")


class Loan(Versioned, Timestamped, Base):
    """An application and, once disbursed, the debt. `outstanding` is what is still owed of it.

    `first_amount` and `first_income` are what was first asked for and declared, where an edit has
    changed that since; None where none has. `open_flags`, how many flags are open, is kept by
    triggers of the database alone.
    """

    __tablename__ = "loans"
    __table_args__ = (
        # Both sides are bounded: a lower bound alone lets numeric NaN through.
        CheckConstraint(f"amount > 0 AND amount <= {MOST}", name="amount_in_range"),
        CheckConstraint(f"income >= 0 AND income <= {MOST}", name="income_in_range"),
        CheckConstraint(f"expenses >= 0 AND expenses <= {MOST}", name="expenses_in_range"),
        CheckConstraint("outstanding >= 0 AND outstanding <= amount", name="outstanding_in_range"),
        CheckConstraint(
            f"first_amount > 0 AND first_amount <= {MOST}", name="first_amount_in_range"
        ),
        CheckConstraint(
            f"first_income >= 0 AND first_income <= {MOST}", name="first_income_in_range"
        ),
        CheckConstraint("risk_score >= 0 AND risk_score <= 1", name="risk_score_in_range"),
        CheckConstraint("term_months >= 1 AND term_months <= 600", name="term_in_range"),
        CheckConstraint(f"status IN ({STATUSES})", name="status_known"),
        CheckConstraint(
            "(status IN ('ACTIVE', 'PAID')) = (taken_at IS NOT NULL)", name="taken_when_disbursed"
        ),
        CheckConstraint(
            "status = 'ACTIVE' AND outstanding > 0 OR status <> 'ACTIVE' AND outstanding = 0",
            name="only_active_owes",
        ),
        CheckConstraint("open_flags >= 0", name="open_flags_counted"),
        Index("uq_loans_external_id", "external_id", unique=True),
        Index("ix_loans_created_at_id", "created_at", "id"),
        Index("ix_loans_status_created_at_id", "status", "created_at", "id"),
        Index("ix_loans_customer_id_created_at_id", "customer_id", "created_at", "id"),
        # What an applicant asks of their own is answered by the index alone, however many they are.
        Index(
            "ix_loans_created_by_created_at_id_status_open_flags",
            *("created_by", "created_at", "id"),
            postgresql_include=["status", "open_flags"],
        ),
        # For bounds of either: PostgreSQL skips from status to status, and from score to score.
        Index(
            "ix_loans_status_risk_score_amount",
            *("status", "risk_score", "amount"),
            postgresql_include=["open_flags", "created_at", "id"],
        ),
        # What a customer owes or asks for, past what is paid, rejected and withdrawn.
        Index("ix_loans_owed", "customer_id", postgresql_where=OWED),
        Index("ix_loans_flagged", "created_at", "id", postgresql_where=FLAGGED),
        Index("ix_loans_flagged_by_status", "status", "created_at", "id", postgresql_where=FLAGGED),
    )

    external_id: Mapped[str | None] = mapped_column(String(60))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    amount: Mapped[Decimal]
    term_months: Mapped[int]
    purpose: Mapped[str] = mapped_column(String(200))
    income: Mapped[Decimal]
    expenses: Mapped[Decimal]
    first_amount: Mapped[Decimal | None]
    first_income: Mapped[Decimal | None]
    risk_score: Mapped[Decimal] = mapped_column(Numeric(3, 2))
    status: Mapped[LoanStatus] = mapped_column(String(10), default=LoanStatus.PENDING)
    outstanding: Mapped[Decimal] = mapped_column(default=Decimal("0.00"))
    contract_version: Mapped[str | None] = mapped_column(String(30))
    maximum_payment_date: Mapped[date | None]
    taken_at: Mapped[datetime | None]
    created_by: Mapped[UUID]
    # For queries: of an object's own flags only the database knows.
    open_flags: Mapped[int] = mapped_column(
        server_default=text("0"), deferred=True, deferred_raiseload=True
    )

    customer: Mapped[Customer] = relationship(lazy="raise_on_sql")
    fraud_flags: Mapped[list["FraudFlag"]] = relationship(
        lazy="raise_on_sql",
        viewonly=True,
        primaryjoin=lambda: and_(Loan.id == FraudFlag.loan_id, ~FraudFlag.is_cleared()),
        order_by="FraudFlag.created_at, FraudFlag.id",
    )

    @property
    def customer_external_id(self) -> str | None:
        return self.customer.external_id

    def edit(self, values: Mapping[str, Any]) -> list[str]:
        """As `assign`, keeping what was first asked for and declared."""
        first = {"first_amount": self.amount, "first_income": self.income}
        changed = self.assign(values)
        for name, value in first.items():
            if name.removeprefix("first_") in changed and getattr(self, name) is None:
                setattr(self, name, value)
        return changed

    def move_to(self, status: LoanStatus, *, by: UUID | None, reason: str | None = None) -> None:
        """Take a step on the map of decisions; raises IllegalTransition off it.

        `by` is None where the policy decides: the fraud rules, or the automatic approval.
        """
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"A loan that is {self.status} cannot become {status}.")
        self._step_to(status, by, reason)

    def reopen(self, *, by: UUID, reason: str) -> None:
        """Owe again, after the payment that closed the loan was reversed; no decision does that."""
        if self.status != LoanStatus.PAID:
            raise IllegalTransition(f"A loan that is {self.status} cannot be reopened.")
        self._step_to(LoanStatus.ACTIVE, by, reason)

    def _step_to(self, status: LoanStatus, by: UUID | None, reason: str | None) -> None:
        append(
            LoanEvent(
                loan_id=self.id, from_status=self.status, to_status=status, by=by, reason=reason
            )
        )
        self.status = status


class LoanEvent(Identified, Base):
    """One change of a loan's status; the first has no `from_status`. Append-only.

    `by` is a user's or an API key's id, None for the policy.
    """

    __tablename__ = "loan_events"
    __table_args__ = (Index("ix_loan_events_loan_id_at_id", "loan_id", "at", "id"),)

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    from_status: Mapped[LoanStatus | None] = mapped_column(String(10))
    to_status: Mapped[LoanStatus] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(default=now)
    by: Mapped[UUID | None]
    reason: Mapped[str | None] = mapped_column(String(500))


class FraudFlag(Identified, Base):
    """Why an application needs a second look: found by a rule, or by a person ("manual").

    Append-only: a flag that was answered stays, with a FlagClearance beside it.
    """

    __tablename__ = "fraud_flags"
    __table_args__ = (
        CheckConstraint("severity IN ('low', 'medium', 'high')", name="severity_known"),
        Index("ix_fraud_flags_loan_id_created_at_id", "loan_id", "created_at", "id"),
    )

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    rule: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(String(500))
    severity: Mapped[Severity] = mapped_column(String(10))
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)

    @classmethod
    def is_cleared(cls) -> ColumnElement[bool]:
        """The condition, in SQL. EXISTS probes an index, where IN would read the whole table."""
        return exists().where(FlagClearance.flag_id == cls.id).correlate(cls)


class FlagClearance(Base):
    """A flag answered: it no longer holds the loan up. Append-only.

    `by` is None where a rule, asked again, no longer finds what it had found.
    """

    __tablename__ = "flag_clearances"

    flag_id: Mapped[UUID] = mapped_column(ForeignKey("fraud_flags.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    by: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(String(500))
