"""Somebody who reads loans while something else is measured."""

import http.client
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from statistics import quantiles
from threading import Event, Thread
from urllib.parse import urlsplit

from bench.lender import Served
from bench.wrk import BenchError

READS_A_SECOND = 25


@dataclass
class Reader:
    """Asks for loans, one after the other, so many a second, and notes how long each takes."""

    served: Served
    token: str
    loans: Sequence[str]
    ms: list[float] = field(default_factory=list)
    _over: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def __enter__(self) -> "Reader":
        self._thread = Thread(target=self._read)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    @property
    def p99_ms(self) -> float:
        return quantiles(self.ms, n=100)[98]

    def _read(self) -> None:
        client = http.client.HTTPConnection(urlsplit(self.served.url).netloc, timeout=30)
        authorized = {"Authorization": f"Bearer {self.token}"}
        with closing(client):
            for loan in cycle(self.loans):
                began = time.perf_counter()
                client.request("GET", f"/loans/{loan}", headers=authorized)
                answer = client.getresponse()
                answer.read()
                took = time.perf_counter() - began
                if answer.status != 200:
                    raise BenchError(f"/loans/{loan} answers {answer.status}")
                self.ms.append(1000 * took)
                if self._over.wait(max(0, 1 / READS_A_SECOND - took)):
                    return
