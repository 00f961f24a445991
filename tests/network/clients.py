"""Clients that ask a service at the same time, until told otherwise."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import ClassVar

from app.local.processes import wait_until
from tests.factories import Caller
from tests.serving import PATIENCE, Service


@dataclass
class Clients:
    """`told` is what became of each request: its answer's status, or its fate."""

    at_once: ClassVar[int]

    service: Service
    caller: Caller
    customers: Sequence[str]
    told: list[int | str] = field(default_factory=list)
    _enough: Event = field(default_factory=Event)

    @property
    def acknowledged(self) -> int:
        """How many deeds they were told are done."""
        raise NotImplementedError

    def _work(self, number: int) -> None:
        """Ask on and on as the client of that number, until `_enough` is set."""
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends and each client has come to an end of its own."""
        with ThreadPoolExecutor(self.at_once) as pool:
            clients = [pool.submit(self._work, number) for number in range(self.at_once)]
            try:
                yield
            finally:
                self._enough.set()
            for client in clients:
                client.result()

    def await_answers(self, count: int) -> None:
        """Return when so many more deeds were acknowledged."""
        enough = self.acknowledged + count
        assert wait_until(lambda: self.acknowledged >= enough, PATIENCE), self.told[-20:]
