"""Passwords: what may be one, and Argon2 around them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import BoundedSemaphore, Lock

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app import config
from app.errors import HashingBusy, WeakPassword

LONGEST = 128
SLOT_WAIT_SECONDS = 2.0


@cache
def _hasher(time_cost: int, memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1)


def _slots(concurrency: int) -> BoundedSemaphore:
    """Argon2 takes its memory per hash: without a bound, a burst of log-ins takes the machine's."""
    with _making:  # a cache alone would let the first burst make one for each thread
        return _made_slots(concurrency)


@contextmanager
def _slot() -> Iterator[None]:
    """One of the places to hash in; raises HashingBusy rather than keep a thread waiting."""
    slots = _slots(config.current().argon2_concurrency)
    if not slots.acquire(timeout=SLOT_WAIT_SECONDS):
        raise HashingBusy
    try:
        yield
    finally:
        slots.release()


_making = Lock()
_made_slots = cache(BoundedSemaphore)


@cache
def _common() -> frozenset[str]:
    # Large, so read only where it is asked for.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])


@cache
def _nobodys_hash(time_cost: int, memory_kib: int) -> str:
    return _hasher(time_cost, memory_kib).hash("nobody has this password")


def must_be_acceptable(password: str, *, email: str) -> None:
    """Raise WeakPassword for one too short or long, equal to the e-mail, or known to attackers."""
    settings = config.current()
    if not settings.password_min_length <= len(password) <= LONGEST:
        raise WeakPassword(
            f"A password has {settings.password_min_length} to {LONGEST} characters."
        )
    if password.casefold() == email.casefold():
        raise WeakPassword("A password must not be the e-mail.")
    if settings.is_exposed and password.casefold() in _common():
        raise WeakPassword("This password is on every list that attackers try first.")


def hashed(password: str) -> str:
    """Argon2id with the cost of the present settings."""
    with _slot():
        return _current_hasher().hash(password)


def matches(password: str, password_hash: str | None) -> bool:
    """Whether the password is the hashed one; None, for nobody, takes the same time to refuse."""
    settings = config.current()
    with _slot():
        stand_in = _nobodys_hash(settings.argon2_time_cost, settings.argon2_memory_kib)
        try:
            _current_hasher().verify(password_hash or stand_in, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def outdated(password_hash: str) -> bool:
    """Whether the hash was made at another cost than today's."""
    return _current_hasher().check_needs_rehash(password_hash)


def _current_hasher() -> PasswordHasher:
    settings = config.current()
    return _hasher(settings.argon2_time_cost, settings.argon2_memory_kib)
