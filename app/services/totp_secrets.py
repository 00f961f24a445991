"""The secrets of second factors as they are stored: encrypted, each under a key of its user's."""

import logging
from uuid import UUID

from app.services import sealing

log = logging.getLogger(__name__)


def sealed(user_id: UUID, secret: str) -> bytes:
    """The secret under the present SECRET_KEY; moved to another user's row, it cannot be opened."""
    return sealing.sealed(_name(user_id), secret.encode())


def opened(user_id: UUID, kept: bytes) -> str | None:
    """The secret; None, which is logged, where neither SECRET_KEY nor the one before opens it."""
    secret = sealing.opened(_name(user_id), kept)
    if secret is None:
        log.error(
            "a second factor is sealed under another SECRET_KEY", extra={"user_id": str(user_id)}
        )
        return None
    return secret.decode()


def _name(user_id: UUID) -> str:
    return f"totp/{user_id}"
