"""Where calls are sent: a server, who sends them, and what they refer to."""

import http.client
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, takewhile
from random import Random
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.calls import Call
from bench.ids import Ids
from bench.lender import Served
from bench.wrk import BenchError, Request

LIST = "/loans/?status=ACTIVE&page_size={size}&page={number}"
PAGE_SIZE = 20
DEEP = 10_000
NEXT = re.compile(r'<([^>]+)>; rel="next"')
TIMEOUT_SECONDS = 60


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True, slots=True)
class Site:
    """A server, an admin's token there, and what can be asked for."""

    served: Served
    token: str = ""
    ids: Ids = field(default_factory=dict)

    def ask(
        self, requests: Iterable[Request], *, is_anonymous: bool = False
    ) -> Iterator[tuple[Request, Answer]]:
        """Each with its answer, over one connection."""
        netloc = urlsplit(self.served.url).netloc
        with closing(http.client.HTTPConnection(netloc, timeout=TIMEOUT_SECONDS)) as client:
            for request in requests:
                headers = {"Content-Type": "application/json"}
                if not is_anonymous:
                    headers["Authorization"] = f"Bearer {self.token}"
                if request.known:
                    headers["If-None-Match"] = request.known
                client.request(request.method, request.path, request.body or None, headers)
                answer = client.getresponse()
                yield request, Answer(answer.status, answer.headers, answer.read())

    def requests(self, call: Call, random: Random) -> list[Request]:
        """What the call sends; with the entity tags of this moment where it is conditional."""
        requests = call.requests(random, self.ids)
        if not call.is_conditional:
            return requests
        asked = {request.path: request for request in requests}.values()
        tags = {request.path: answer.headers["ETag"] or "" for request, answer in self.ask(asked)}
        return [request._replace(known=tags[request.path]) for request in requests]

    def check(self, call: Call, requests: Iterable[Request]) -> None:
        """Raise BenchError unless each is answered as it should be."""
        for request, answer in self.ask(requests, is_anonymous=call.is_anonymous):
            if answer.status != call.status:
                raise BenchError(f"{request.path} answers {answer.status}: {answer.body!r}")

    def warm_up(self, call: Call, seconds: float) -> None:
        """Send the call for so long, from as many clients as will measure it, and check it.

        So plans are made, connections opened and pages read before anything is measured.
        """
        requests = self.requests(call, Random("warm-up"))
        end = monotonic() + seconds

        def send(mine: Sequence[Request]) -> None:
            self.check(call, chain(mine[:1], takewhile(lambda _: monotonic() < end, mine[1:])))

        with ThreadPoolExecutor(call.clients) as pool:
            list(pool.map(send, (requests[first :: call.clients] for first in range(call.clients))))


def with_deep_pages(site: Site) -> Site:
    """Add the paths of page 1, of page 10,000 or the last full one before, and of that by cursor.

    Raises BenchError where the page before does not tell the cursor.
    """
    first = LIST.format(size=PAGE_SIZE, number=1)
    total = int(_answer(site, first).headers["X-Total-Count"])
    number = max(2, min(DEEP, total // PAGE_SIZE))
    before = _answer(site, LIST.format(size=PAGE_SIZE, number=number - 1))
    after = NEXT.search(before.headers["Link"] or "")
    if not after or "cursor=" not in after[1]:
        raise BenchError(f"Page {number - 1} names no cursor: {before.headers['Link']}")
    deep = LIST.format(size=PAGE_SIZE, number=number)
    pages = {"first_page": [first], "deep_page": [deep], "by_cursor": [after[1]]}
    return replace(site, ids={**site.ids, **pages})


def _answer(site: Site, path: str) -> Answer:
    ((_, answer),) = site.ask([Request("GET", path)])
    if answer.status != 200:
        raise BenchError(f"{path} answers {answer.status}: {answer.body!r}")
    return answer
