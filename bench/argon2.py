"""How many passwords this machine verifies a second when it does nothing else."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter
from types import TracebackType
from typing import Self

from argon2 import PasswordHasher

PROCESSES = 2
PASSWORD = "a password of the bench"  # noqa: S105


class Verifiers:
    """Processes that verify one password over and over, at the cost its hash was made with."""

    def __init__(self, password_hash: str) -> None:
        self._hash = password_hash
        self._pool = ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))

    def rate(self, seconds: float) -> float:
        """Verifications a second, all processes together."""
        jobs = [self._pool.submit(_verify_for, seconds, self._hash) for _ in range(PROCESSES)]
        return sum(job.result() for job in jobs)

    def __enter__(self) -> Self:
        self.rate(0.1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()


def _verify_for(seconds: float, password_hash: str) -> float:
    hasher, count, began_at = PasswordHasher(), 0, perf_counter()
    while (elapsed := perf_counter() - began_at) < seconds:
        hasher.verify(password_hash, PASSWORD)
        count += 1
    return count / elapsed
