import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from bench import wrk
from bench.calls import Call
from bench.lender import Served
from bench.site import DEEP, Site, with_deep_pages
from bench.wrk import BenchError, Request

TAG = 'W/"7"'


@dataclass
class Lender:
    """Answers every path with `status`, and its lists with what a page is told by."""

    url: str = ""
    status: int = 200
    total: int = 1_000_000
    link: str = '</loans/?cursor=abc>; rel="next", </loans/?page=1>; rel="first"'
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def site(self) -> Site:
        return Site(Served(self.url, ()), "t0k3n")


@pytest.fixture
def lender() -> Iterator[Lender]:
    lender = Lender()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = self.headers["If-None-Match"]
            lender.asked.append((self.path, self.headers["Authorization"], known))
            status = 304 if known == TAG else lender.status
            body = b"" if status == 304 else json.dumps({"path": self.path}).encode()
            self.send_response(status)
            self.send_header("ETag", TAG)
            self.send_header("X-Total-Count", str(lender.total))
            self.send_header("Link", lender.link)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        lender.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield lender
        server.shutdown()
        thread.join()


def get(path: str, **changes: object) -> Call:
    make: Callable[..., Request] = lambda *_: Request("GET", path)  # noqa: E731
    return Call(make, **changes)  # type: ignore[arg-type]


def test_a_call_is_warmed_up_by_as_many_clients_as_measure_it(lender: Lender) -> None:
    lender.site.warm_up(get("/loans/1", clients=3), 0)
    assert lender.asked == [("/loans/1", "Bearer t0k3n", None)] * 3


def test_a_wrong_answer_ends_the_bench(lender: Lender) -> None:
    lender.status = 404
    with pytest.raises(BenchError, match="/loans/1 answers 404"):
        lender.site.warm_up(get("/loans/1"), 0)


def test_nobody_is_named_where_nobody_need_be(lender: Lender) -> None:
    lender.site.warm_up(get("/healthz", clients=1, is_anonymous=True), 0)
    assert lender.asked == [("/healthz", None, None)]


def test_a_conditional_call_names_the_tag_of_this_moment(lender: Lender) -> None:
    call = get("/loans/", status=304, is_conditional=True)
    requests = lender.site.requests(call, Random(1))
    assert {request.known for request in requests} == {TAG}
    assert len(lender.asked) == 1
    lender.site.check(call, requests[:1])


def test_an_answer_that_was_to_be_known_and_is_not_ends_the_bench(lender: Lender) -> None:
    call = get("/loans/", status=304, is_conditional=True)
    stale = [Request("GET", "/loans/", known='W/"6"')]
    with pytest.raises(BenchError, match="answers 200"):
        lender.site.check(call, stale)


def test_the_deep_page_and_its_cursor_are_asked_of_the_service(lender: Lender) -> None:
    found = with_deep_pages(lender.site).ids
    (deep,) = found["deep_page"]
    assert deep.endswith(f"page={DEEP}")
    assert found["by_cursor"] == ["/loans/?cursor=abc"]
    assert lender.asked[-1][0] == deep.replace(f"page={DEEP}", f"page={DEEP - 1}")


def test_the_deep_page_of_a_small_book_is_its_last_full_one(lender: Lender) -> None:
    lender.total = 159
    assert with_deep_pages(lender.site).ids["deep_page"][0].endswith("&page=7")


def test_a_list_without_a_cursor_ends_the_bench(lender: Lender) -> None:
    lender.link = '</loans/?page=10000>; rel="next"'
    with pytest.raises(BenchError, match="no cursor"):
        with_deep_pages(lender.site)


@pytest.mark.skipif(not shutil.which("wrk"), reason="the load generator is not installed")
def test_wrk_counts_an_answer_that_is_known_as_a_good_one(lender: Lender, tmp_path: Path) -> None:
    requests = [Request("GET", "/loans/", known=TAG)]
    file = tmp_path / "requests"
    run = wrk.run(lender.url, requests, file, seconds=1, connections=2, token="t0k3n")
    assert run.requests > 0
    assert set(lender.asked) == {("/loans/", "Bearer t0k3n", TAG)}
