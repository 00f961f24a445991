"""The people and businesses the lender lends to."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from phonenumbers import normalize_digits_only
from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Index,
    String,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.errors import CustomerIncomplete, EmailTaken, ExternalIdTaken, PhoneTaken
from app.models.base import Timestamped, Versioned
from app.refusals import refuses

refuses("uq_customers_external_id", ExternalIdTaken)
refuses("uq_customers_email", EmailTaken)
refuses("uq_customers_phone", PhoneTaken)
refuses("ck_customers_identifiable", CustomerIncomplete)


class CustomerStatus(StrEnum):
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class Customer(Versioned, Timestamped, Base):
    """`credit_limit` is the line of credit, None for none set.

    `created_by` is the id of a user or an API key: an applicant sees what carries their own.
    """

    __tablename__ = "customers"
    __table_args__ = (
        CheckConstraint("status IN ('ACTIVE', 'INACTIVE')", name="status_known"),
        CheckConstraint(
            "credit_limit >= 0 AND credit_limit <= 999999999999.99", name="credit_limit_in_range"
        ),
        CheckConstraint(
            "external_id IS NOT NULL OR "
            "(first_name IS NOT NULL AND last_name IS NOT NULL AND email IS NOT NULL)",
            name="identifiable",
        ),
        Index("ix_customers_created_at_id", "created_at", "id"),
        Index("ix_customers_created_by_created_at_id", "created_by", "created_at", "id"),
        Index("ix_customers_status_created_at_id", "status", "created_at", "id"),
        Index("uq_customers_external_id", "external_id", unique=True),
        Index(
            "uq_customers_phone", "phone", unique=True, postgresql_where=text("phone IS NOT NULL")
        ),
    )

    external_id: Mapped[str | None] = mapped_column(String(60))
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    email: Mapped[str | None] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(32))
    status: Mapped[CustomerStatus] = mapped_column(String(10), default=CustomerStatus.ACTIVE)
    credit_limit: Mapped[Decimal | None]
    preapproved_at: Mapped[datetime | None]
    created_by: Mapped[UUID]

    @hybrid_property
    def email_domain(self) -> str | None:
        """What follows the @; an address is stored with its domain normalized."""
        return None if self.email is None else self.email.rpartition("@")[2]

    @email_domain.inplace.expression
    @classmethod
    def _email_domain_in_sql(cls) -> ColumnElement[str | None]:
        # As literals, or a plan that is kept for any parameters could not use the index.
        return func.lower(func.split_part(cls.email, *map(literal_column, ("'@'", "-1"))))

    @hybrid_property
    def phone_digits(self) -> str | None:
        """The phone without the punctuation people write it with."""
        return None if self.phone is None else normalize_digits_only(self.phone)

    @phone_digits.inplace.expression
    @classmethod
    def _phone_digits_in_sql(cls) -> ColumnElement[str | None]:
        # A stored phone has ASCII digits and punctuation only: this is all that normalizing does.
        return func.regexp_replace(cls.phone, *map(literal_column, ("'[^0-9]'", "''", "'g'")))

    @classmethod
    def searched(cls) -> ColumnElement[str]:
        """What customers are sought in: name, e-mail, phone and external id, in lower case."""
        sought_in = (cls.first_name, cls.last_name, cls.email, cls.phone, cls.external_id)
        return func.search_text(*sought_in)

    @classmethod
    def holds(cls, sought: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether that, in lower case, is anywhere in there: for whoever looks at each customer."""
        return func.strpos(cls.searched(), sought) > literal_column("0")

    @classmethod
    def found_by(cls, sought: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether up to three letters are, or each three of more: for the index of letters.

        What is sought is hidden in a subquery from plans: of what is in everybody they would think
        that no index helps, and make the letters of one customer after the other.
        """
        query = select(func.search_query(sought)).scalar_subquery()
        return func.search_vector(cls.searched()).bool_op("@@")(query)


# Many come without either: who is imported has an external id, and nothing else.
_HAS_EMAIL, _HAS_PHONE = Customer.email.is_not(None), Customer.phone.is_not(None)
Index("uq_customers_email", func.lower(Customer.email), unique=True, postgresql_where=_HAS_EMAIL)
Index(
    "ix_customers_email_domain_created_at",
    Customer.email_domain,
    Customer.created_at,
    postgresql_where=_HAS_EMAIL,
)
Index(
    "ix_customers_phone_digits_created_at",
    Customer.phone_digits,
    Customer.created_at,
    postgresql_where=_HAS_PHONE,
)
Index(
    "ix_customers_search_vector",
    func.search_vector(Customer.searched()),
    postgresql_using="gin",
)


class RetiredExternalId(Base):
    """The external ids of deleted customers: taken for ever. Kept by triggers of the database."""

    __tablename__ = "retired_external_ids"

    external_id: Mapped[str] = mapped_column(String(60), primary_key=True)
