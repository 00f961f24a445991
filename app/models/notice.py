"""What people are to be told, written down with what it is about, and told afterwards."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import now


class FlagNotice(Base):
    """That a loan was flagged, to be mailed to the admins once, however often it is flagged.

    Whoever sends it claims it until `claimed_until`; without `sent_at` by then, another may. After
    each of the `attempts` that the mail server refused, it stays claimed for longer.
    """

    __tablename__ = "flag_notices"

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    attempts: Mapped[int] = mapped_column(default=0)
    claimed_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


Index(
    "ix_flag_notices_unsent",
    FlagNotice.created_at,
    postgresql_where=FlagNotice.sent_at.is_(None),
)
