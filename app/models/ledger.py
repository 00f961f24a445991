"""The ledger: every movement of money as a journal of balanced entries. Append-only."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.errors import CustomerInUse, EntryNotReversible, ExternalIdTaken, InsufficientFunds
from app.models.base import Identified, now
from app.models.loan import MOST, Loan
from app.refusals import refuses

refuses("uq_journal_external_id", ExternalIdTaken)
refuses("uq_journal_reverses", EntryNotReversible)
refuses("ck_accounts_never_negative", InsufficientFunds)
refuses("fk_accounts_customer_id", CustomerInUse)
refuses("fk_entries_customer_id", CustomerInUse)


class JournalKind(StrEnum):
    DISBURSEMENT = "disbursement"
    PAYMENT = "payment"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    REVERSAL = "reversal"


class Book(StrEnum):
    """The chart of accounts: the lender's cash, what each loan owes, each customer's account.

    Cash and receivables are assets, which debits raise; a customer's account is a liability, which
    credits raise.
    """

    CASH = "cash"
    RECEIVABLE = "receivable"
    CUSTOMER = "customer"


class Direction(StrEnum):
    DEBIT = "debit"
    CREDIT = "credit"


class Account(Base):
    """What the lender holds for a customer: their entries' sum. Made with the first of them."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="never_negative"),
        CheckConstraint(f"balance <= {MOST}", name="balance_bounded"),
    )

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    balance: Mapped[Decimal]


class Journal(Identified, Base):
    """One business event that moved money. Its entries balance, or PostgreSQL refuses the commit.

    It refers to the loan it disbursed, to its payment, or to the journal it `reverses`; the
    database knows one of each only. `actor_id` is a user's or an API key's.
    """

    __tablename__ = "journal"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('disbursement', 'payment', 'deposit', 'withdrawal', 'reversal')",
            name="kind_known",
        ),
        CheckConstraint("(kind = 'disbursement') = (loan_id IS NOT NULL)", name="disburses_a_loan"),
        CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="undoes_another"),
        CheckConstraint(
            "kind = 'reversal' OR (kind = 'payment') = (payment_id IS NOT NULL)",
            name="belongs_to_a_payment",
        ),
        Index("uq_journal_external_id", "external_id", unique=True),
        Index("uq_journal_loan_id", "loan_id", unique=True),
        Index("uq_journal_payment_id", "payment_id", unique=True),
        Index("uq_journal_reverses", "reverses", unique=True),
    )

    kind: Mapped[JournalKind] = mapped_column(String(12))
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loans.id"))
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("journal.id"))
    external_id: Mapped[str | None] = mapped_column(String(60))
    note: Mapped[str | None] = mapped_column(String(500))
    actor_id: Mapped[UUID]
    actor_kind: Mapped[str] = mapped_column(String(10))
    at: Mapped[datetime] = mapped_column(default=now)


class Entry(Base):
    """One line of a journal. Ids grow, within one loan and one account, in the order of events.

    `balance_after` is what the loan owes, or the account holds, once it is booked; None for cash,
    whose balance is kept nowhere so that no two payments wait for each other.
    """

    __tablename__ = "entries"
    __table_args__ = (
        CheckConstraint(
            "book = 'cash' AND num_nonnulls(loan_id, customer_id, balance_after) = 0 "
            "OR book = 'receivable' AND customer_id IS NULL "
            "AND num_nulls(loan_id, balance_after) = 0 "
            "OR book = 'customer' AND loan_id IS NULL "
            "AND num_nulls(customer_id, balance_after) = 0",
            name="account_named",
        ),
        CheckConstraint("direction IN ('debit', 'credit')", name="direction_known"),
        CheckConstraint(f"amount > 0 AND amount <= {MOST}", name="amount_in_range"),
        CheckConstraint(
            f"balance_after >= 0 AND balance_after <= {MOST}", name="balance_after_in_range"
        ),
        Index("ix_entries_journal_id", "journal_id"),
        Index(
            "ix_entries_loan_id_id", "loan_id", "id", postgresql_where=text("loan_id IS NOT NULL")
        ),
        Index(
            "ix_entries_customer_id_id",
            "customer_id",
            "id",
            postgresql_where=text("customer_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    journal_id: Mapped[UUID] = mapped_column(ForeignKey("journal.id"))
    book: Mapped[Book] = mapped_column(String(10))
    loan_id: Mapped[UUID | None] = mapped_column(ForeignKey("loans.id"))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("customers.id"))
    direction: Mapped[Direction] = mapped_column(String(6))
    amount: Mapped[Decimal]
    balance_after: Mapped[Decimal | None]

    journal: Mapped[Journal] = relationship(lazy="raise_on_sql")
    loan: Mapped[Loan | None] = relationship(lazy="raise_on_sql")

    @property
    def loan_external_id(self) -> str | None:
        return self.loan.external_id if self.loan else None

    @property
    def outstanding_after(self) -> Decimal | None:
        return self.balance_after
