"""What somebody who logs in is let in by: a password, and the code of a second factor."""

from sqlalchemy import func, select, update

from app.db import db
from app.errors import Contended, InvalidCredentials, OtpRequired
from app.models import User
from app.models.base import now
from app.services import login_failures, one_time_passwords, passwords
from app.services.actor import Actor
from app.services.login_failures import Guesses


def find_by_password(email: str, password: str, guesses: Guesses) -> User:
    """The active user they belong to. Unknown, disabled and wrong are one refusal, in one time.

    Raises InvalidCredentials, and counts it.
    """
    user = db.session.scalar(select(User).where(func.lower(User.email) == func.lower(email)))
    known = passwords.matches(password, user.password_hash if user else None)
    if user is None or not known or not user.is_active:
        login_failures.add(guesses)
        raise InvalidCredentials("Invalid Credentials")
    return user


def has_second_factor(actor: Actor, user: User, guesses: Guesses, otp: str | None) -> bool:
    """Whether the `otp` is right, where the user has a second factor; a wrong one is counted.

    All under the user's lock, so that guesses at once are no more than guesses in turn. Raises
    OtpRequired, TooMany.
    """
    if not user.has_totp:
        return True
    db.session.refresh(user, with_for_update=True)
    login_failures.must_be_few(guesses)
    if otp is None:
        raise OtpRequired
    if one_time_passwords.take(actor, user, otp):
        return True
    login_failures.count(guesses)
    return False


def note(user: User, proven: str, rehashed: str | None) -> None:
    """Confirm under the row's lock that the user still has what they were let in by.

    That is the hash that was matched, and the second factor or none. Raises Contended otherwise:
    another run judges by the present ones. Written past the version check: two log-ins of one user
    at once are no conflict.
    """
    values = {"last_login_at": now(), "version": User.version + 1}
    if rehashed:
        values["password_hash"] = rehashed
    noted = db.session.execute(
        update(User)
        .where(
            User.id == user.id,
            User.password_hash == proven,
            User.is_active,
            User.totp_enabled_at.is_not_distinct_from(user.totp_enabled_at),
        )
        .values(values)
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    if noted.one_or_none() is None:
        raise Contended
