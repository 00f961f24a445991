"""One-time passwords by the clock (RFC 6238), as every authenticator app makes them.

They have six digits, by SHA-1, and each belongs to a step of 30 seconds, counted from 1970 on.
"""

from datetime import datetime

from pyotp import TOTP, OTPVerificationError

# A clock may be half a minute off, and a code takes some seconds to type.
STEPS_ASIDE = 1


def step_of(secret: str, code: str, *, at: datetime, after: int | None = None) -> int | None:
    """The step whose code this is, within STEPS_ASIDE of that moment; None for none after `after`.

    The code must be of ASCII digits: pyotp takes other digits for the same.
    """
    try:
        step = TOTP(secret).verify_and_get_timecode(code, for_time=at, valid_window=STEPS_ASIDE)
    except OTPVerificationError:
        return None
    return step if after is None or step > after else None


def uri(secret: str, *, issuer: str, account: str) -> str:
    """What an authenticator app takes in, by a QR code or a tap (`otpauth://totp/…`)."""
    return TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)
