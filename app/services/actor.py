"""Who asks: the caller of a service, and what their role lets them do."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from app.errors import AdminOnly, StaffOnly, Stale, UserOnly
from app.models import Role


class Tagged(Protocol):
    """A record with an entity tag."""

    @property
    def etag(self) -> str: ...


Kind = Literal["user", "api-key", "console", "worker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The caller of a service: a user in a log-in session, an API key, or the command line; or a
    worker, on behalf of one.

    `if_match` is the entity tag the caller decided on, if they named one; `request_id` and
    `address` go into the audit trail. `generation`, by which an answer may be cached, `position`,
    by which a replica may give it, and `record`, the one asked for as the caller may see it, were
    read when the caller was recognized.
    """

    id: UUID
    role: Role
    kind: Kind = "user"
    session_id: UUID | None = None
    if_match: str | None = None
    request_id: str | None = None
    address: str | None = None
    generation: str | None = None
    position: str | None = None
    record: Any = None

    @property
    def is_admin(self) -> bool:
        return self.role == Role.ADMIN

    @property
    def is_staff(self) -> bool:
        return self.role in (Role.ADMIN, Role.OFFICER)

    @property
    def scope(self) -> str:
        """What the actor may see and do, as a part of a key: who share it are answered alike."""
        return f"{self.kind}/{self.role}" + ("" if self.is_staff else f"/{self.id}")

    def must_be_admin(self) -> None:
        if not self.is_admin:
            raise AdminOnly

    def must_be_staff(self) -> None:
        if not self.is_staff:
            raise StaffOnly

    def must_be_user(self) -> None:
        if self.kind != "user":
            raise UserOnly

    def must_expect(self, record: Tagged) -> None:
        """Raise Stale when the caller decided on another version than this one."""
        if self.if_match is None:
            return
        expected = {tag.strip() for tag in self.if_match.split(",")}
        if not expected & {"*", record.etag}:
            raise Stale


# Whoever is at the command line, of whom the service knows nothing.
CONSOLE = Actor(id=UUID(int=0), role=Role.ADMIN, kind="console")
