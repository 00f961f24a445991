"""Users' second factors: set up, confirmed and ended by themselves, or taken away by an admin."""

from dataclasses import dataclass
from io import BytesIO
from uuid import UUID

import segno
from sqlalchemy import func, select

from app import config
from app.db import db, transaction
from app.errors import OwnSecondFactor, TotpActive, TotpInactive, UserNotFound, WrongOtp
from app.models import LoginSession, User
from app.rules import totp
from app.services import audit, auth, login_failures, one_time_passwords, users
from app.services.actor import Actor


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app takes in, in three forms; nobody can read it again."""

    secret: str
    otpauth_uri: str
    qr_svg: str


def set_up(actor: Actor, *, current_password: str) -> Enrolment:
    """Make a secret, which counts once a code of it has confirmed it. The former, if any, is dead.

    Raises UserOnly, WrongPassword, TotpActive, TooMany; Contended when the password was replaced
    meanwhile.
    """
    proven = users.find_proven(actor, current_password).password_hash
    with transaction():
        user = users.lock_proven(actor, proven)
        if user.has_totp:
            raise TotpActive
        secret = one_time_passwords.prepare(user)
        audit.record(actor, "user.totp_prepared", user)
    uri = totp.uri(secret, issuer=config.current().totp_issuer, account=user.email)
    return Enrolment(secret, uri, _drawn(uri))


def confirm(actor: Actor, *, otp: str) -> list[str]:
    """Have log-ins take a code from now on, and end the user's other sessions; recovery codes.

    Raises UserOnly, TotpActive, TotpInactive, WrongOtp, TooMany.
    """
    actor.must_be_user()
    codes: list[str] = []
    with transaction():
        user = users.find(actor, actor.id, lock=True)
        if user.has_totp:
            raise TotpActive
        if user.totp_secret is None:
            raise TotpInactive("There is no second factor to confirm.")
        if _is_proven(actor, user, otp):
            codes = one_time_passwords.enable(user)
            auth.end_sessions(LoginSession.user_id == actor.id, LoginSession.id != actor.session_id)
            audit.record(actor, "user.totp_enabled", user)
    return _unless_wrong(codes)


def renew_recovery_codes(actor: Actor, *, otp: str) -> list[str]:
    """Make recovery codes; the former are dead.

    Raises UserOnly, TotpInactive, WrongOtp, TooMany.
    """
    actor.must_be_user()
    codes: list[str] = []
    with transaction():
        user = users.find(actor, actor.id, lock=True)
        _must_have_one(user)
        if _is_proven(actor, user, otp):
            codes = one_time_passwords.renew_recovery_codes(user)
            audit.record(actor, "user.recovery_codes_renewed", user)
    return _unless_wrong(codes)


def switch_off(actor: Actor, *, current_password: str, otp: str) -> None:
    """Let the password alone open a session again.

    Raises UserOnly, WrongPassword, TotpInactive, WrongOtp, TooMany; Contended when the password was
    replaced meanwhile.
    """
    proven = users.find_proven(actor, current_password).password_hash
    with transaction():
        user = users.lock_proven(actor, proven)
        _must_have_one(user)
        if is_proven := _is_proven(actor, user, otp):
            one_time_passwords.remove(user)
            audit.record(actor, "user.totp_disabled", user)
    if not is_proven:
        raise WrongOtp


def reset(actor: Actor, user_id: UUID) -> None:
    """Take another user's second factor away, who has lost it. Admins only.

    Raises UserNotFound, OwnSecondFactor, TotpInactive.
    """
    actor.must_be_admin()
    if user_id == actor.id:
        raise OwnSecondFactor
    with transaction():
        _reset(actor, users.find(actor, user_id, lock=True))


def reset_from_console(email: str) -> User:
    """Take a user's second factor away from the command line. Raises UserNotFound, TotpInactive."""
    query = select(User).where(func.lower(User.email) == func.lower(email))
    with transaction():
        user = db.session.scalar(query.with_for_update())
        if user is None:
            raise UserNotFound
        _reset(Actor(id=user.id, role=user.role, kind="console"), user)
    return user


def _reset(actor: Actor, user: User) -> None:
    _must_have_one(user)
    one_time_passwords.remove(user)
    audit.record(actor, "user.totp_reset", user)


def _must_have_one(user: User) -> None:
    if not user.has_totp:
        raise TotpInactive


def _is_proven(actor: Actor, user: User, otp: str) -> bool:
    """Whether the code is right; a wrong one is counted, to be refused once that is committed.

    Under the user's lock, so that guesses at once are no more than guesses in turn, and apart from
    wrong passwords, which the right password forgives. Raises TooMany.
    """
    failures = login_failures.of_second_factor(user.id)
    login_failures.must_be_few(failures)
    if one_time_passwords.take(actor, user, otp):
        login_failures.forget(failures)
        return True
    login_failures.count(failures)
    return False


def _unless_wrong(codes: list[str]) -> list[str]:
    if not codes:
        raise WrongOtp
    return codes


def _drawn(uri: str) -> str:
    """A QR code that any page may show, as an image or as its own: no style, class or script.

    At level M every URI fits: an e-mail has 254 bytes at most, and each takes three at most there.
    """
    svg = BytesIO()
    segno.make_qr(uri, error="m").save(
        svg,
        kind="svg",
        xmldecl=False,
        nl=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        dark="#000",
        light="#fff",
    )
    return svg.getvalue().decode()
