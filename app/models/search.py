"""How many customers hold each one, two or three letters, kept with every write.

Triggers of the database write down what each statement changes, in its own transaction, whoever
sends it. What there is at any instant is `search_tallies` and `search_changes` together: folding
moves changes into tallies, and alters no sum of the two.
"""

from datetime import date

from sqlalchemy import BigInteger, Identity, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.models.customer import CustomerStatus

LONGEST_GRAM = 3


class SearchTally(Base):
    """How many of the customers made in a month (UTC) have these letters in a row somewhere.

    All of them have the empty gram.
    """

    __tablename__ = "search_tallies"

    gram: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    month: Mapped[date] = mapped_column(primary_key=True)
    status: Mapped[CustomerStatus] = mapped_column(String(10), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class SearchChange(Base):
    """A text that a statement added to those sought in, or took away, not yet folded."""

    __tablename__ = "search_changes"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    month: Mapped[date]
    status: Mapped[CustomerStatus] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(BigInteger)
