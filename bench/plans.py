"""What `make bench` measures by the name of its size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec

from bench import calls
from bench.books import HUGE, LARGE, SMALL, YOUNG, Book
from bench.calls import Call
from bench.lines import GROWTH, LINES, Line
from bench.servers import AS_LITTLE, Server


@dataclass(frozen=True, slots=True)
class Plan:
    """Which lines are measured, on which book, beside which other.

    Each call is sent for `warm_up` seconds, and then in so many rounds for so many seconds. What
    was measured of a call stands beside the runs that follow it, as many as `near`.
    """

    name: str
    book: Book
    beside: Book
    lines: Sequence[Line]
    rounds: int
    seconds: int
    warm_up: float
    near: int = 1


CONFIGURED = ("gthread", 4)
CLASSES = [("sync", 1), ("gthread", 1), ("gthread", 2), CONFIGURED]
if find_spec("gevent"):
    CLASSES.append(("gevent", 1))


def _workers(kind: str, threads: int) -> Server:
    settings = {"GUNICORN_WORKER_CLASS": kind, "GUNICORN_THREADS": str(threads)}
    return Server(f"{kind} {threads}", settings=AS_LITTLE | settings)


def _by_class(name: str, call: Call) -> list[Line]:
    """The call as it is served, and beside that by each other class."""
    served = {choice: replace(call, served_by=_workers(*choice)) for choice in CLASSES}
    configured = served.pop(CONFIGURED)
    base = configured.served_by.name
    return [
        Line(f"{name}, {base}", configured),
        *(
            Line(f"{name}, {other.served_by.name}", other, beside=configured, base=base)
            for other in served.values()
        ),
    ]


WORKERS = (
    *_by_class("GET /loans/{id}", calls.LOAN),
    *_by_class("GET /loans/?status=…, uncached", calls.LIST_UNCACHED),
)
PLANS = {
    plan.name: plan
    for plan in (
        Plan("small", SMALL, YOUNG, LINES, rounds=1, seconds=1, warm_up=0.2, near=3),
        Plan("large", LARGE, YOUNG, LINES, rounds=5, seconds=4, warm_up=2),
        Plan("growth", HUGE, LARGE, GROWTH, rounds=5, seconds=4, warm_up=5),
        Plan("workers", LARGE, YOUNG, WORKERS, rounds=5, seconds=4, warm_up=2, near=4),
    )
}
