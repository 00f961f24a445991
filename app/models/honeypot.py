"""Who tried the log-in that leads nowhere."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.base import Identified, now

LONGEST_NAME, LONGEST_AGENT = 120, 200


class HoneypotVisit(Identified, Base):
    """One attempt: from where, by which program, under which name. Never with which password."""

    __tablename__ = "honeypot_visits"
    __table_args__ = (Index("ix_honeypot_visits_at_id", "at", "id"),)

    at: Mapped[datetime] = mapped_column(default=now)
    address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str] = mapped_column(String(LONGEST_AGENT))
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
