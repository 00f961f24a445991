"""The people who use the service."""

from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, select

from app import config
from app.db import db, transaction
from app.errors import (
    AdminOnly,
    Contended,
    LastAdmin,
    Unauthenticated,
    UserNotFound,
    WrongPassword,
)
from app.models import LoginSession, Role, User
from app.services import audit, auth, login_failures, passwords
from app.services.actor import Actor, Kind
from app.services.pages import Page, page_of
from app.services.rolls import USERS

# One number for one purpose: whoever registers first holds it until the first user is committed.
BOOTSTRAP_LOCK = 7_240_001


def register(
    actor: Actor | None,
    *,
    email: str,
    password: str,
    nickname: str | None = None,
    role: Role | None = None,
) -> User:
    """Add a user: the first becomes admin, then admins add them, or anyone adds an applicant.

    Raises Unauthenticated, AdminOnly, EmailTaken, WeakPassword.
    """
    may_bootstrap = config.current().bootstrap_by_registration and not _any_user()
    granted = Role.ADMIN if may_bootstrap else _role_granted(actor, role)
    passwords.must_be_acceptable(password, email=email)
    user = User(email=email, password_hash=passwords.hashed(password), nickname=nickname)
    with transaction():
        if may_bootstrap:
            _lock_bootstrap()
            if _any_user():
                granted = _role_granted(actor, role)
        _add(actor, user, granted)
    return user


def create_admin(*, email: str, password: str) -> User:
    """Add an admin from the command line. Raises EmailTaken, WeakPassword."""
    passwords.must_be_acceptable(password, email=email)
    user = User(email=email, password_hash=passwords.hashed(password))
    with transaction():
        _lock_bootstrap()
        _add(None, user, Role.ADMIN, kind="console")
    return user


def on_behalf_of(email: str | None) -> Actor:
    """The command line, acting for an officer or admin; by default for the first active admin.

    Raises UserNotFound, StaffOnly.
    """
    query = select(User).where(User.is_active).order_by(User.created_at, User.id).limit(1)
    if email is None:
        query = query.where(User.role == Role.ADMIN)
    else:
        query = query.where(func.lower(User.email) == email.lower())
    user = db.session.scalar(query)
    if user is None:
        raise UserNotFound
    actor = Actor(id=user.id, role=user.role, kind="console")
    actor.must_be_staff()
    return actor


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    **filters: Any,
) -> Page[User]:
    """Page through the users; `q` is looked for in e-mail and nickname. Admins only."""
    actor.must_be_admin()
    query = select(User).where(*USERS.meeting(**filters))
    return page_of(query, order=USERS.order, page=page, page_size=page_size, cursor=cursor)


def find(actor: Actor, user_id: UUID, *, lock: bool = False) -> User:
    """A user; other than oneself, for admins only. `lock` also holds the actor to their `if_match`.

    Raises UserNotFound, Stale.
    """
    if not actor.is_admin and user_id != actor.id:
        raise UserNotFound
    query = select(User).where(User.id == user_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    user = db.session.scalar(query)
    if user is None:
        raise UserNotFound
    if lock:
        actor.must_expect(user)
    return user


def find_self(actor: Actor) -> User:
    """The user behind the credential. Raises UserOnly for an API key."""
    actor.must_be_user()
    return find(actor, actor.id)


def find_proven(actor: Actor, password: str) -> User:
    """The user behind the credential, whose password this is.

    Raises UserOnly, WrongPassword, TooMany.
    """
    user = find_self(actor)
    failures = login_failures.of_password_change(user.id)
    login_failures.must_be_few(failures)
    if not passwords.matches(password, user.password_hash):
        login_failures.add(failures)
        raise WrongPassword
    return user


def lock_proven(actor: Actor, proven: str) -> User:
    """The user behind the credential, locked, with the hash that their password was matched with.

    Raises Contended when it was replaced meanwhile, TooMany.
    """
    user = find(actor, actor.id, lock=True)
    if user.password_hash != proven:
        raise Contended  # another run matches the present one
    login_failures.forget(login_failures.of_password_change(user.id))
    return user


def change_self(actor: Actor, *, nickname: str | None) -> User:
    """Change one's own nickname."""
    actor.must_be_user()
    with transaction():
        user = find(actor, actor.id, lock=True)
        if changed := user.assign({"nickname": nickname}):
            audit.record(actor, "user.changed", user, fields=changed)
    return user


def change(actor: Actor, user_id: UUID, **values: Any) -> User:
    """Change a user's role, activity or nickname; all take effect on their next request.

    Raises LastAdmin, UserNotFound.
    """
    actor.must_be_admin()
    with transaction():
        admins = _lock_active_admins()
        user = find(actor, user_id, lock=True)
        changed = user.assign(values)
        if admins == [user.id] and not (user.is_active and user.role == Role.ADMIN):
            raise LastAdmin
        if not user.is_active:
            auth.end_sessions(LoginSession.user_id == user.id)
        if changed:
            audit.record(actor, "user.changed", user, fields=changed)
    return user


def change_password(actor: Actor, *, current_password: str, new_password: str) -> None:
    """Set a new password and end the user's other sessions.

    Raises WrongPassword, WeakPassword, TooMany; Contended when it was replaced meanwhile.
    """
    user = find_proven(actor, current_password)
    passwords.must_be_acceptable(new_password, email=user.email)
    proven, replacement = user.password_hash, passwords.hashed(new_password)
    with transaction():
        user = lock_proven(actor, proven)
        user.password_hash = replacement
        auth.end_sessions(LoginSession.user_id == actor.id, LoginSession.id != actor.session_id)
        audit.record(actor, "user.password_changed", user)


def _lock_bootstrap() -> None:
    db.session.execute(select(func.pg_advisory_xact_lock(BOOTSTRAP_LOCK)))


def _add(actor: Actor | None, user: User, role: Role, kind: Kind = "user") -> None:
    """Add the user in the transaction at work; with no actor, by their own hand."""
    user.role = role
    db.session.add(user)
    by = actor or Actor(id=user.id, role=role, kind=kind)
    audit.record(by, "user.registered", user, role=role)


def _role_granted(actor: Actor | None, wanted: Role | None) -> Role:
    if actor is not None and actor.is_admin:
        return wanted or Role.OFFICER
    if config.current().allow_self_registration:
        if wanted not in (None, Role.APPLICANT):
            raise AdminOnly("Only an admin grants a role.")
        return Role.APPLICANT
    if actor is None:
        raise Unauthenticated("Only an admin registers users.")
    raise AdminOnly("Only an admin registers users.")


def _any_user() -> bool:
    return bool(db.session.scalar(select(exists().select_from(User))))


def _lock_active_admins() -> list[UUID]:
    """The ids of all active admins, locked: two admins who demote each other must not both win."""
    query = select(User.id).where(User.role == Role.ADMIN, User.is_active).order_by(User.id)
    return list(db.session.scalars(query.with_for_update()))
