"""Ids and times that come out the same for the same seed."""

from datetime import UTC, datetime, timedelta
from random import Random

RANDOM_BITS = 74
LOW_BITS = 62
VERSION = 7 << 76
VARIANT = 2 << LOW_BITS
LOW_MASK = (1 << LOW_BITS) - 1
DAY_MS = 86_400_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def uuid7_hex(milliseconds: int, random: Random) -> str:
    """A UUIDv7 of that moment since 1970, as 32 hexadecimal digits."""
    noise = random.getrandbits(RANDOM_BITS)
    high = milliseconds << 80 | VERSION | (noise >> LOW_BITS) << 64
    return f"{high | VARIANT | noise & LOW_MASK:032x}"


def milliseconds(moment: datetime) -> int:
    """Since 1970, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """The inverse of `milliseconds`, UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def text(milliseconds: int) -> str:
    """That moment since 1970, as PostgreSQL reads it."""
    return moment(milliseconds).isoformat()
