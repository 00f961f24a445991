"""The secrets of second factors as they are stored: encrypted, each under a key of its user's."""

import hashlib
import hmac
import logging
import os
from collections.abc import Iterator
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app import config

NONCE_BYTES = 12

log = logging.getLogger(__name__)


def sealed(user_id: UUID, secret: str) -> bytes:
    """The secret under the present SECRET_KEY; moved to another user's row, it cannot be opened."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(next(_keys(user_id))).encrypt(nonce, secret.encode(), None)


def opened(user_id: UUID, kept: bytes) -> str | None:
    """The secret; None, which is logged, where neither SECRET_KEY nor the one before opens it."""
    nonce, closed = kept[:NONCE_BYTES], kept[NONCE_BYTES:]
    for key in _keys(user_id):
        try:
            return AESGCM(key).decrypt(nonce, closed, None).decode()
        except InvalidTag:
            continue
    log.error("a second factor is sealed under another SECRET_KEY", extra={"user_id": str(user_id)})
    return None


def _keys(user_id: UUID) -> Iterator[bytes]:
    """The present one, then the one before it, if that is known."""
    settings = config.current()
    for secret_key in (settings.secret_key, settings.secret_key_former):
        if secret_key:
            yield hmac.digest(secret_key.encode(), f"totp/{user_id}".encode(), hashlib.sha256)
