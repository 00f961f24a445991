"""A seal on what is kept: what somebody else put there, or cut short, is not taken for it.

Against accidents only. Whoever may write to Redis can seal as well.
"""

from hashlib import blake2b

SIZE = 8


class Unsealed(Exception):
    """What lies under a key is not what was kept there."""


def sealed(name: str, value: bytes) -> bytes:
    """The value as it is kept under this name, and under no other."""
    return _seal(name, value) + value


def opened(name: str, kept: bytes) -> bytes:
    """The value. Raises Unsealed."""
    seal, value = kept[:SIZE], kept[SIZE:]
    if seal != _seal(name, value):
        raise Unsealed(name)
    return value


def _seal(name: str, value: bytes) -> bytes:
    seal = blake2b(name.encode(), digest_size=SIZE)
    seal.update(value)
    return seal.digest()
