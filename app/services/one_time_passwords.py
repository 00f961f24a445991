"""One-time passwords of a user: the codes of an authenticator app, and recovery codes in its place.

Whoever calls these holds the user's row locked: a code works once, however many send it at once.
"""

import hashlib
import hmac
from base64 import b32encode
from datetime import datetime
from secrets import token_bytes
from textwrap import wrap

from pyotp import random_base32
from sqlalchemy import func, select

from app.db import db
from app.models import User
from app.models.base import now
from app.rules import totp
from app.services import audit, totp_secrets
from app.services.actor import Actor

RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
RECOVERY_CODE_GROUP = 4


def prepare(user: User) -> str:
    """A new secret for the user, in the place of any other; it counts once it is enabled."""
    secret = random_base32()
    user.totp_secret = totp_secrets.sealed(user.id, secret)
    user.totp_step = None
    return secret


def take(actor: Actor, user: User, code: str) -> bool:
    """Whether the code is right and was not used before; from now on it was."""
    secret = user.totp_secret and totp_secrets.opened(user.id, user.totp_secret)
    if not secret:
        return False
    step = totp.step_of(secret, code, at=_moment(), after=user.totp_step)
    if step is not None:
        user.totp_step = step
    elif not _take_recovery_code(actor, user, _digest(secret, code)):
        return False
    # Anew each time: what was sealed under the former SECRET_KEY comes under the present one.
    user.totp_secret = totp_secrets.sealed(user.id, secret)
    return True


def enable(user: User) -> list[str]:
    """Ask for a code at each log-in from now on; the recovery codes."""
    user.totp_enabled_at = now()
    return renew_recovery_codes(user)


def renew_recovery_codes(user: User) -> list[str]:
    """New recovery codes, which nobody can read again; the former are dead."""
    assert user.totp_secret  # noqa: S101 (a code of it was taken)
    secret = totp_secrets.opened(user.id, user.totp_secret)
    assert secret  # noqa: S101 (it was opened to take the code)
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    user.recovery_digests = [_digest(secret, code) for code in codes]
    return codes


def remove(user: User) -> None:
    """Leave nothing of the second factor: the password alone opens a session."""
    user.totp_secret = user.totp_step = user.totp_enabled_at = user.recovery_digests = None


def _take_recovery_code(actor: Actor, user: User, digest: bytes) -> bool:
    left = [each for each in user.recovery_digests or () if not hmac.compare_digest(each, digest)]
    if len(left) == len(user.recovery_digests or ()):
        return False
    user.recovery_digests = left
    audit.record(actor, "user.recovery_code_used", user, left=len(left))
    return True


def _recovery_code() -> str:
    """80 random bits in letters and digits that are told apart on paper: abcd-efgh-ijkl-mnop."""
    letters = b32encode(token_bytes(RECOVERY_CODE_BYTES)).decode().lower()
    return "-".join(wrap(letters, RECOVERY_CODE_GROUP))


def _digest(secret: str, code: str) -> bytes:
    """Of a recovery code, however it was typed, keyed by the secret that it stands in for.

    Nobody guesses 80 random bits, so there is nothing that Argon2 would slow down but the log-in,
    which would have to try it on each of the ten. The key leaves nothing to look up in the table
    without SECRET_KEY, and is the same after SECRET_KEY was replaced.
    """
    typed = code.replace("-", "").lower()
    return hmac.digest(secret.encode(), f"recovery code/{typed}".encode(), hashlib.sha256)


def _moment() -> datetime:
    """The present by PostgreSQL's clock: one for all processes, as the last step is."""
    moment: datetime = db.session.scalars(select(func.clock_timestamp())).one()
    return moment
