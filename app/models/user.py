"""Who may use the service: users, their log-in sessions, API keys, failed log-ins, and the keys
that tokens are signed with."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.errors import EmailTaken
from app.models.base import Identified, Timestamped, Versioned, now
from app.refusals import refuses

refuses("uq_users_email", EmailTaken)


class Role(StrEnum):
    ADMIN = "admin"
    OFFICER = "officer"
    APPLICANT = "applicant"


ROLES = ", ".join(f"'{role}'" for role in Role)


class User(Versioned, Timestamped, Base):
    """A person with a password. Never deleted, only disabled: records keep pointing here.

    With `totp_enabled_at` a log-in also takes a one-time password, until then `totp_secret`, which
    is encrypted, waits to be confirmed. `totp_step` is that of the last code that was taken.
    """

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(f"role IN ({ROLES})", name="role_known"),
        CheckConstraint(
            "totp_enabled_at IS NULL OR (totp_secret IS NOT NULL AND totp_step IS NOT NULL "
            "AND recovery_digests IS NOT NULL)",
            name="totp_whole",
        ),
        Index("ix_users_created_at_id", "created_at", "id"),
    )

    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(200))
    nickname: Mapped[str | None] = mapped_column(String(60))
    role: Mapped[Role] = mapped_column(String(10))
    is_active: Mapped[bool] = mapped_column(default=True)
    last_login_at: Mapped[datetime | None]
    totp_secret: Mapped[bytes | None]
    totp_step: Mapped[int | None]
    totp_enabled_at: Mapped[datetime | None]
    recovery_digests: Mapped[list[bytes] | None] = mapped_column(ARRAY(LargeBinary))

    @property
    def has_totp(self) -> bool:
        """Whether the user has a second factor, which their log-ins take."""
        return self.totp_enabled_at is not None


Index("uq_users_email", func.lower(User.email), unique=True)


class LoginSession(Identified, Base):
    """One log-in. Access and refresh tokens carry its id and are as good as this row.

    `refresh_id` names the one refresh token that may still be used.
    """

    __tablename__ = "login_sessions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    refresh_id: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    user: Mapped[User] = relationship()


class ApiKey(Identified, Base):
    """A credential for a program. It acts as itself, under its own id, with a role of its own."""

    __tablename__ = "api_keys"
    __table_args__ = (
        CheckConstraint("role IN ('officer', 'applicant')", name="role_at_most_officer"),
    )

    name: Mapped[str] = mapped_column(String(60))
    prefix: Mapped[str] = mapped_column(String(12))
    digest: Mapped[bytes] = mapped_column(unique=True)
    role: Mapped[Role] = mapped_column(String(10))
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class LoginFailures(Base):
    """Guesses that went wrong against one name: an e-mail, an e-mail at a place, or a session's.

    Each puts `window_ends_at` off; what it is away by is used up. No name is kept, but a digest.
    """

    __tablename__ = "login_failures"

    email_digest: Mapped[bytes] = mapped_column(primary_key=True)
    failures: Mapped[int]
    window_ends_at: Mapped[datetime] = mapped_column(index=True)


class KnownPlace(Base):
    """An address from which an e-mail has logged in, as a digest of both."""

    __tablename__ = "known_places"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    known_until: Mapped[datetime] = mapped_column(index=True)


class SigningKey(Identified, Base):
    """A key that tokens are signed with, encrypted under SECRET_KEY; tokens name it by `name`.

    Until it is retired it signs; until `retires_at` what it signed counts.
    """

    __tablename__ = "signing_keys"

    name: Mapped[str] = mapped_column(String(32), unique=True)
    sealed: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(default=now)
    retires_at: Mapped[datetime | None] = mapped_column(index=True)
