"""Secrets as they are stored: encrypted, each under a key of its own made from SECRET_KEY."""

import hashlib
import hmac
import os
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app import config

NONCE_BYTES = 12


def sealed(name: str, secret: bytes) -> bytes:
    """The secret under the present SECRET_KEY; under another name it cannot be opened."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(next(_keys(name))).encrypt(nonce, secret, None)


def opened(name: str, kept: bytes) -> bytes | None:
    """The secret; None where neither SECRET_KEY nor the one before opens it."""
    nonce, closed = kept[:NONCE_BYTES], kept[NONCE_BYTES:]
    for key in _keys(name):
        try:
            return AESGCM(key).decrypt(nonce, closed, None)
        except InvalidTag:
            continue
    return None


def _keys(name: str) -> Iterator[bytes]:
    """The present one, then the one before it, if that is known."""
    settings = config.current()
    for secret_key in (settings.secret_key, settings.secret_key_former):
        if secret_key:
            yield hmac.digest(secret_key.encode(), name.encode(), hashlib.sha256)
