"""What most stored records share."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    String,
    cast,
    event,
    func,
    inspect,
    literal_column,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from uuid_utils.compat import uuid7

Record = TypeVar("Record", bound=DeclarativeBase)


def now() -> datetime:
    """The present instant, aware, UTC."""
    return datetime.now(UTC)


def bare(model: type[Record], **values: object) -> Record:
    """A record that no session comes to know, made without noting what is set: for `append`.

    What notes that takes longer than all else that is done with such a record. Unset attributes
    are not there, until it is inserted.
    """
    record: Any = inspect(model).class_manager.new_instance()
    vars(record).update(values)
    made: Record = record
    return made


class Identified:
    """A record with a UUIDv7, which it has from birth: no flush is needed to know it."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-1)


@event.listens_for(Identified, "init", propagate=True)
def _give_id(_: Identified, __: Any, values: dict[str, Any]) -> None:
    values.setdefault("id", uuid7())


class Timestamped:
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


@event.listens_for(Timestamped, "init", propagate=True)
def _give_times(_: Timestamped, __: Any, values: dict[str, Any]) -> None:
    values.setdefault("created_at", now())
    values.setdefault("updated_at", values["created_at"])


class Versioned(Identified):
    """A record whose every change raises `version`, from which its entity tag is made."""

    version: Mapped[int] = mapped_column(default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805 (declared on the class)
        # What the database fills in itself is not asked back with each INSERT.
        return {"version_id_col": cls.version, "eager_defaults": False}

    def assign(self, values: Mapping[str, Any]) -> list[str]:
        """Set what differs; the names of what did, in order, for the audit trail."""
        changed = sorted(name for name in values if getattr(self, name) != values[name])
        for name in changed:
            setattr(self, name, values[name])
        return changed

    @hybrid_property
    def etag(self) -> str:
        return f'"{self.id.hex}.{self.version}"'

    @etag.inplace.expression
    @classmethod
    def _etag_in_sql(cls) -> ColumnElement[str]:
        return etag_in_sql(cls.id, cls.version)


def etag_in_sql(
    id_: SQLColumnExpression[UUID], version: SQLColumnExpression[int]
) -> ColumnElement[str]:
    """The entity tag of a record of that id, in that version."""
    digits = func.replace(cast(id_, String), *map(literal_column, ("'-'", "''")))
    return func.concat(
        literal_column("'\"'"), digits, literal_column("'.'"), version, literal_column("'\"'")
    )
