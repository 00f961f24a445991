"""Imports of customers: what was sent, how far it is, and which lines were refused."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Text,
    Uuid,
    cast,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import (
    InstrumentedAttribute,
    Mapped,
    MappedSQLExpression,
    column_property,
    mapped_column,
)

from app.db import Base
from app.models.base import Identified, Timestamped


class ImportStatus(StrEnum):
    UPLOADING = "UPLOADING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


STATUSES = ", ".join(f"'{status}'" for status in ImportStatus)
UNDER_WAY = (ImportStatus.QUEUED, ImportStatus.RUNNING)


def _with_import() -> ForeignKey:
    """Gone when the import is."""
    return ForeignKey("customer_imports.id", ondelete="CASCADE")


class ImportPart(Base):
    """The lines whose external ids fall to one worker, and how far they are.

    Whoever works on it holds `lease`, a token of their own, until `leased_until`, and renews it
    with each chunk, in the transaction of what comes of the chunk: `next_chunk` and the figures are
    as they stand in the books. `failures` counts what went wrong since the last chunk that did not.
    """

    __tablename__ = "customer_import_parts"

    import_id: Mapped[UUID] = mapped_column(_with_import(), primary_key=True)
    part: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    next_chunk: Mapped[int] = mapped_column(default=0)
    processed: Mapped[int] = mapped_column(BigInteger, default=0)
    created: Mapped[int] = mapped_column(BigInteger, default=0)
    rejected: Mapped[int] = mapped_column(BigInteger, default=0)
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    lease: Mapped[UUID | None]
    leased_until: Mapped[datetime | None]


def _sum(figure: InstrumentedAttribute[int]) -> MappedSQLExpression[int]:
    """Of the parts of the import in whose row it stands."""
    total = cast(func.coalesce(func.sum(figure), 0), BigInteger)
    of_import = ImportPart.import_id == literal_column("customer_imports.id", Uuid)
    return column_property(select(total).where(of_import).scalar_subquery())


class CustomerImport(Identified, Timestamped, Base):
    """A file of customers. While it is UPLOADING nobody sees it but who uploads it.

    `total_lines` are those that are not empty, nor the header; `chunks` is how many hold them.
    `seconds` is how long it has been worked on, by PostgreSQL's clock.
    """

    __tablename__ = "customer_imports"
    __table_args__ = (
        CheckConstraint(f"status IN ({STATUSES})", name="status_known"),
        Index("ix_customer_imports_created_at_id", "created_at", "id"),
        Index(
            "ix_customer_imports_under_way",
            "updated_at",
            postgresql_where=text("status IN ('UPLOADING', 'QUEUED', 'RUNNING')"),
        ),
    )

    created_by: Mapped[UUID]
    filename: Mapped[str] = mapped_column(String(255))
    is_dry_run: Mapped[bool]
    status: Mapped[ImportStatus] = mapped_column(String(10), default=ImportStatus.UPLOADING)
    total_lines: Mapped[int] = mapped_column(BigInteger, default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    processed: Mapped[int] = _sum(ImportPart.processed)
    created: Mapped[int] = _sum(ImportPart.created)
    rejected: Mapped[int] = _sum(ImportPart.rejected)
    seconds: Mapped[float | None] = column_property(
        literal_column(
            "extract(epoch FROM coalesce(customer_imports.finished_at, clock_timestamp())"
            " - customer_imports.started_at)::float",
            Float,
        )
    )

    @property
    def is_under_way(self) -> bool:
        return self.status in UNDER_WAY

    @property
    def is_completed(self) -> bool:
        return self.status == ImportStatus.COMPLETED

    @property
    def lines_per_second(self) -> int | None:
        """None before anything is done."""
        return round(self.processed / self.seconds) if self.processed and self.seconds else None

    @property
    def seconds_left(self) -> int | None:
        """At the rate so far; None where there is none yet, 0 when it is over."""
        if not self.is_under_way:
            return 0
        if not self.lines_per_second:
            return None
        return -(-(self.total_lines - self.processed) // self.lines_per_second)


class ImportChunk(Base):
    """Lines that wait to be worked on, as they were cut; deleted with the last of the import."""

    __tablename__ = "customer_import_chunks"

    import_id: Mapped[UUID] = mapped_column(_with_import(), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_line: Mapped[int]
    text: Mapped[str] = mapped_column(Text)


class ImportedName(Base):
    """An external id that a dry run has met: what would have been created by then."""

    __tablename__ = "customer_import_names"

    import_id: Mapped[UUID] = mapped_column(_with_import(), primary_key=True)
    external_id: Mapped[str] = mapped_column(String(60), primary_key=True)


class RefusedLine(Base):
    """A line that was refused: the beginning of what it says, and why."""

    __tablename__ = "customer_import_errors"

    import_id: Mapped[UUID] = mapped_column(_with_import(), primary_key=True)
    line: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    value: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(500))
