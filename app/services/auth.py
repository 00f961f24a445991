"""Log-in sessions: opening, proving, renewing and ending them. PostgreSQL alone decides."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, select, update
from uuid_utils.compat import uuid7

from app import config
from app.db import db, transaction
from app.errors import (
    InvalidCredentials,
    SecondFactorRequired,
    StaffOnly,
    Unauthenticated,
)
from app.models import LoginSession, Role, User
from app.models.base import now
from app.services import audit, known_places, lifetimes, login_failures, passwords, proofs
from app.services.actor import Actor
from app.services.along import NOTHING, Along, Callers

_BEARERS = Callers(
    select(
        User.role.label("caller_role"),
        User.totp_enabled_at.is_not(None).label("caller_has_totp"),
        LoginSession.created_at.label("caller_came_at"),
        LoginSession.expires_at.label("caller_goes_at"),
    )
    .join(LoginSession, LoginSession.user_id == User.id)
    .where(
        LoginSession.id == bindparam("session_id"),
        LoginSession.ended_at.is_(None),
        LoginSession.expires_at > bindparam("now"),
        User.id == bindparam("user_id"),
        User.is_active,
    ),
    role=User.role,
    id=User.id,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a pair of tokens is made from."""

    user_id: UUID
    session_id: UUID
    refresh_id: UUID


def log_in(
    email: str,
    password: str,
    otp: str | None = None,
    *,
    request_id: str | None = None,
    address: str | None = None,
    at_console: bool = False,
) -> Grant:
    """Open a session. Unknown, disabled and wrong are one refusal, in one time.

    Only whose password was right is asked for the `otp` of their second factor. One at the console
    is for staff, and ends when it is not used. Raises InvalidCredentials, OtpRequired, TooMany,
    StaffOnly; Contended when password or second factor was replaced meanwhile.
    """
    guesses = login_failures.of_log_in(email, address)
    login_failures.must_be_few(guesses)
    user = proofs.find_by_password(email, password, guesses)
    proven = user.password_hash  # as it was matched: the transaction reads the user anew
    rehashed = passwords.hashed(password) if passwords.outdated(proven) else None
    with transaction():
        actor = Actor(id=user.id, role=user.role, request_id=request_id, address=address)
        if is_proven := proofs.has_second_factor(actor, user, guesses, otp):
            proofs.note(user, proven, rehashed)
            login_failures.forget(guesses)
            life = _lifetime(actor, at_console=at_console)
            known_places.remember(email, address)
            session = _open_session(actor, user, life)
    if not is_proven:  # refused only now: the failure had to be committed
        raise InvalidCredentials("Invalid Credentials")
    return Grant(user.id, session.id, session.refresh_id)


def bearer(
    user_id: UUID,
    session_id: UUID,
    along: Along = NOTHING,
    *,
    needs_totp: bool = True,
    at_console: bool = False,
) -> Actor:
    """The actor of a session, judged by the session, the user and the role of this moment.

    They come with what is read `along`. Where a second factor is set up, nobody `needs_totp`. A
    session at the console ends some time after its last use. Raises Unauthenticated,
    SecondFactorRequired.
    """
    found = _BEARERS.row(along, user_id=user_id, session_id=session_id, now=now())
    if found is None:
        raise Unauthenticated("This session has ended.")
    role = Role(found.caller_role)
    if needs_totp and must_have_totp(role) and not found.caller_has_totp:
        raise SecondFactorRequired
    if at_console:
        lifetimes.prolong(session_id, found.caller_came_at, found.caller_goes_at)
    return Actor(
        id=user_id,
        role=role,
        session_id=session_id,
        generation=found.generation,
        position=found.position,
        record=along.record_in(found),
    )


def must_have_totp(role: Role) -> bool:
    """Whether users of that role may do next to nothing until they have a second factor."""
    return role is Role.ADMIN and config.current().require_admin_totp


def refresh(user_id: UUID, session_id: UUID, refresh_id: UUID) -> Grant:
    """Trade a refresh token for a new pair. One that was traded before ends the whole session.

    Raises Unauthenticated.
    """
    with transaction():
        session = _lock_session(user_id, session_id)
        is_reused = session.refresh_id != refresh_id
        if is_reused:
            session.ended_at = now()
            thief = Actor(id=user_id, role=session.user.role, session_id=session_id)
            audit.record(thief, "session.refresh_reused", session)
        else:
            session.refresh_id = uuid7()
            session.expires_at = now() + lifetimes.over_the_api()
    if is_reused:  # refused only now: the end of the session had to be committed
        raise Unauthenticated("This refresh token was used before; the session has ended.")
    return Grant(user_id, session_id, session.refresh_id)


def log_out(actor: Actor) -> None:
    """End the actor's session; its access and refresh tokens are dead at once.

    Raises Unauthenticated.
    """
    actor.must_be_user()
    with transaction():
        session = db.session.get(LoginSession, actor.session_id, with_for_update=True)
        if session is None:  # it has ended and been forgotten since the actor was recognized
            raise Unauthenticated("This session has ended.")
        session.ended_at = now()
        audit.record(actor, "session.ended", session)


def end_sessions(*conditions: ColumnElement[bool]) -> None:
    """End every open session that meets the conditions, in the transaction at work."""
    db.session.execute(
        update(LoginSession)
        .where(LoginSession.ended_at.is_(None), *conditions)
        .values(ended_at=now())
    )


def _lock_session(user_id: UUID, session_id: UUID) -> LoginSession:
    session = db.session.scalar(
        select(LoginSession)
        .join(User)
        .where(
            LoginSession.id == session_id,
            LoginSession.ended_at.is_(None),
            LoginSession.expires_at > now(),
            User.id == user_id,
            User.is_active,
        )
        .with_for_update(of=LoginSession)
        .execution_options(populate_existing=True)
    )
    if session is None:
        raise Unauthenticated("This session has ended.")
    return session


def _lifetime(actor: Actor, *, at_console: bool) -> timedelta:
    """Of a session of the actor's. Raises StaffOnly for one at the console."""
    if at_console and actor.role == Role.APPLICANT:
        raise StaffOnly("The console is for officers and admins of the lender.")
    return lifetimes.at_console() if at_console else lifetimes.over_the_api()


def _open_session(actor: Actor, user: User, life: timedelta) -> LoginSession:
    session = LoginSession(
        user_id=user.id, refresh_id=uuid7(), created_at=now(), expires_at=now() + life
    )
    db.session.add(session)
    audit.record(actor, "user.logged_in", user)
    return session
