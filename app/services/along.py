"""What is read along with the credential of who asks, in one look at the database.

A generation, by which their answer may be cached, or the one record that they ask for, which is
read as whoever the same statement finds the caller to be; or how far the primary has written, by
which their answer may be a replica's.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    bindparam,
    literal_column,
    or_,
    true,
)

from app.errors import NotFound
from app.models import Role
from app.reading import Reading
from app.services import generations, replica
from app.services.access import key_of
from app.services.generations import Topic

STAFF: tuple[ColumnElement[str], ...] = tuple(
    literal_column(f"'{role}'") for role in (Role.ADMIN, Role.OFFICER)
)

NOWHERE: ColumnElement[str | None] = literal_column("NULL").label("position")

Columns = Select[*tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Seen:
    """A record by its id or external id, as it is shown to staff and to the applicant it is of.

    `shown` selects it from `model`, `owner` is who may see it beside the staff, and `missing` is
    the refusal where a caller may see none.
    """

    model: Any
    shown: Columns
    owner: SQLColumnExpression[UUID]
    missing: type[NotFound]


@dataclass(frozen=True, slots=True)
class Along:
    """The generation of a topic, or the record of that name, or neither; `has_position` beside."""

    topic: Topic | None = None
    seen: Seen | None = None
    ref: str = ""
    has_position: bool = False

    @property
    def key(self) -> UUID | str:
        return key_of(self.ref)

    def record_in(self, found: Any) -> Any | None:
        """The record in a caller's row, if it was asked for and they may see it."""
        return found if self.seen is not None and found.is_seen else None


NOTHING = Along()


@dataclass(frozen=True, eq=False)
class Callers:
    """A statement that finds a caller, to which more is added: their `role` and `id` in it."""

    found: Columns
    role: SQLColumnExpression[Any]
    id: SQLColumnExpression[UUID]

    def row(self, along: Along, **values: object) -> Any | None:
        """The caller's row, with `generation`, `position`, and the record's columns.

        Its `is_seen` says whether they may see that. None where there is no such caller.
        """
        key = along.key
        reading = _reading(self, along.topic, along.seen, isinstance(key, UUID), along.has_position)
        return reading.row(**values, ref=key)


@cache
def _reading(
    callers: Callers, topic: Topic | None, seen: Seen | None, by_id: bool, has_position: bool
) -> Reading:
    position = replica.POSITION if has_position else NOWHERE
    statement = callers.found.add_columns(generations.read_along(topic), position)
    if seen is None:
        return Reading(statement)
    name = seen.model.id if by_id else seen.model.external_id
    may_see = or_(callers.role.in_(STAFF), seen.owner == callers.id)
    record = (
        seen.shown.add_columns(literal_column("true").label("is_seen"))
        .where(name == bindparam("ref"), may_see)
        .lateral("record")
    )
    return Reading(statement.add_columns(*record.c).outerjoin(record, true()))
