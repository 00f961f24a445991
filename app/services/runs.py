"""Running a call again where PostgreSQL picked it as the victim of a deadlock."""

from collections.abc import Callable
from typing import TypeVar

from app.errors import Contended

RUNS = 3
Answer = TypeVar("Answer")


def run(call: Callable[[], Answer]) -> Answer:
    """What the call answers, RUNS times in all. Raises Contended when it was the victim each."""
    for _ in range(RUNS - 1):
        try:
            return call()
        except Contended:
            continue
    return call()
