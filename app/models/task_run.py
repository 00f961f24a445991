"""What became of the tasks that Celery's workers run."""

from datetime import datetime

from sqlalchemy import BigInteger, Float, String
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class TaskRun(Base):
    """How often one task had one outcome, how long that took in all, and when it last did."""

    __tablename__ = "task_runs"

    task: Mapped[str] = mapped_column(String(40), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(10), primary_key=True)
    runs: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float] = mapped_column(Float)
    last_at: Mapped[datetime]
