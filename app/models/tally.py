"""Tallies: how many records there are and what they add up to, kept with every write.

Triggers of the database write down what each statement changes, in its own transaction, whoever
sends it. What there is at any instant is `tallies` and `tally_changes` together: folding moves
changes into tallies, and alters no sum of the two.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Identity,
    Numeric,
    String,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

Subject = Literal["loans", "customers", "payments", "audit"]
Span = Literal["day", "month", "ever"]

FIRST_DAY = date.min


class _Sums:
    """`risk`, `amount` and `outstanding` are of loans alone, and nothing for all else."""

    number: Mapped[int] = mapped_column(BigInteger)
    risk: Mapped[Decimal] = mapped_column(Numeric)
    amount: Mapped[Decimal] = mapped_column(Numeric)
    outstanding: Mapped[Decimal] = mapped_column(Numeric)


class Tally(_Sums, Base):
    """What was folded, of records made on one day, in one month, or ever, all in UTC.

    `starts_on` of "ever" is FIRST_DAY. `kind` is the status, or the action of an audit event;
    `is_flagged` that a flag is open, and false for what has none.
    """

    __tablename__ = "tallies"

    subject: Mapped[Subject] = mapped_column(String(10), primary_key=True)
    span: Mapped[Span] = mapped_column(String(5), primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(40), primary_key=True)
    is_flagged: Mapped[bool] = mapped_column(primary_key=True)


class TallyChange(_Sums, Base):
    """What a statement added to the tallies of a day, and took from them, not yet folded.

    `transaction_id` is PostgreSQL's number of the transaction that wrote it.
    """

    __tablename__ = "tally_changes"

    transaction_id: Mapped[int] = mapped_column(
        BigInteger,
        primary_key=True,
        autoincrement=False,
        server_default=text("pg_current_xact_id()::text::bigint"),
    )
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    subject: Mapped[Subject] = mapped_column(String(10))
    day: Mapped[date]
    kind: Mapped[str] = mapped_column(String(40))
    is_flagged: Mapped[bool]

    @classmethod
    def is_unfolded(cls) -> ColumnElement[bool]:
        """The condition, in SQL, that all there are fulfil, and those that were folded do not.

        It saves looking at what is deleted and not cleaned up, while somebody holds an old view.
        """
        return cls.transaction_id.between(_FOLDED_BELOW, _NO_TRANSACTION)


class TallyFold(Base):
    """How far changes were folded: none is left of transactions numbered below `folded_below`."""

    __tablename__ = "tally_folds"
    __table_args__ = (CheckConstraint("id = 1", name="only_one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folded_below: Mapped[int] = mapped_column(BigInteger)


# Numbers begin anew where a dump is restored: what is still to come says nothing of what was.
_FOLDED_BELOW = func.coalesce(
    select(TallyFold.folded_below)
    .where(
        TallyFold.folded_below
        <= literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    )
    .scalar_subquery(),
    literal_column("0"),
)
# The largest bigint: of a range with two ends PostgreSQL expects few rows, and so uses the index.
_NO_TRANSACTION = literal_column("9223372036854775807", BigInteger)
