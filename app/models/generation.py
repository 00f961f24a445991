"""Generations: by which a cache knows that what it holds is not from before the last write."""

from typing import Literal
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

Topic = Literal["loans", "customers"]


class Generation(Base):
    """One of the tokens that together name the generation of a topic.

    Triggers of the database put another token in place with every statement that changes what the
    topic stands for, whoever sends it. A transaction takes a row that no other holds, or adds one:
    writers never wait for each other here.
    """

    __tablename__ = "generations"
    __table_args__ = (Index("ix_generations_topic_slot", "topic", "slot"),)

    slot: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    topic: Mapped[Topic] = mapped_column(String(20))
    token: Mapped[UUID] = mapped_column(server_default=text("gen_random_uuid()"))
