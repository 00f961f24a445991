"""Authenticator apps, and users who have a second factor in one."""

from dataclasses import dataclass, field
from time import time

from pyotp import TOTP, random_base32

from app.db import db, transaction
from app.models import User
from app.models.base import now
from app.services import totp_secrets
from tests.credentials import execute
from tests.factories import PASSWORD, Caller, created

TOTP_PATH = "/auth/users/me/totp"
STEP_SECONDS = 30


@dataclass
class Authenticator:
    """An app that holds one secret; the recovery codes lie beside it."""

    secret: str = field(default_factory=random_base32)
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """What it shows now, or will so many steps of 30 seconds ahead."""
        return TOTP(self.secret).at(time(), counter_offset=steps)

    def wrong_code(self) -> str:
        """Six digits that it does not show about now."""
        near = {self.code(steps) for steps in range(-3, 4)}
        return next(code for code in map("{:06}".format, range(10)) if code not in near)


def set_up(user: Caller) -> Authenticator:
    """A second factor that waits to be confirmed."""
    answer = created(user.post(TOTP_PATH, {"current_password": PASSWORD}))
    return Authenticator(answer["secret"])


def confirmed(user: Caller) -> Authenticator:
    """A second factor that log-ins take, and no code of it used lately."""
    app = set_up(user)
    answer = user.post(f"{TOTP_PATH}/confirm", {"otp": app.code()})
    assert answer.status_code == 200, answer.text
    app.recovery_codes = answer.get_json()["recovery_codes"]
    rest(user)
    return app


def rest(user: Caller) -> None:
    """Let it be long ago that the user's last code was taken."""
    execute(user.app, "UPDATE users SET totp_step = 1 WHERE id = :id", id=user.id)


def give(app: Authenticator, *users: Caller, is_enabled: bool) -> None:
    """Put one secret into the rows of several users, enabled long ago or waiting to be."""
    for user in users:
        with user.app.app_context(), transaction():
            row = db.session.get_one(User, user.id, with_for_update=True)
            row.totp_secret = totp_secrets.sealed(row.id, app.secret)
            row.totp_step = 1 if is_enabled else None
            row.totp_enabled_at = now() if is_enabled else None
            row.recovery_digests = [] if is_enabled else None
