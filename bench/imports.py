"""What an import takes: a million lines over HTTP, beside a COPY of the same file.

Somebody reads loans meanwhile, a few a second, as somebody does before.
"""

import http.client
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg
from tqdm import tqdm

from bench import machine
from bench.books import Book
from bench.lender import BENCH, Database, Served, databases, launched, worker
from bench.reader import Reader
from bench.servers import SERVICE
from bench.wrk import BenchError

FRESH = Book("fresh", 300, 1_000)
LINES = 1_000_000
BAD_EACH = 100
IDLE_SECONDS = 20
BOUNDARY = "a-boundary-that-no-line-has"
PIECE = 1024 * 1024
MEBIBYTE = 1024 * 1024
HEAD = (f"{LINES:,} lines, one in {BAD_EACH} bad", "", "target", "   ")
# Every kind of line that is refused, in turn.
BAD = (
    "bad-{},",
    "bad-{},-1.00",
    "bad-{},1.005",
    "bad-{},1e3",
    "bad-{}",
    "bad-{},1.00,2026-01-01T00:00:00Z,more",
    "bad-{},1.00,2026-02-30T00:00:00Z",
    "bad/{},1.00",
    " bad-{},1.00",
    '"bad-{},1.00',
    "imp-00000001,{}.00",
    "imports,{}.00",
)


class Line(NamedTuple):
    """A line of the table."""

    name: str
    figure: float
    unit: str
    target: str = ""
    is_met: bool | None = None

    @property
    def shown(self) -> str:
        figure = f"{self.figure:,.0f}" if self.figure >= 100 else f"{self.figure:,.2f}"
        return f"{figure} {self.unit}".strip()

    @property
    def cells(self) -> Sequence[str]:
        verdict = {None: "", True: "met", False: "missed"}[self.is_met]
        return self.name, self.shown, self.target, verdict


def table() -> str:
    """What was measured, as a table; also in `.local/bench/imports.json`."""
    lines, notes = _measure()
    report = {**notes, "lines": {line.name: line.shown for line in lines}}
    (BENCH / "imports.json").write_text(json.dumps(report, indent=2) + "\n")
    rows = [HEAD, *(line.cells for line in lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    written = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([written[0], rule, *written[1:], "", f"On {'; '.join(notes.values())}."])


def _measure() -> tuple[list[Line], Mapping[str, str]]:
    """The lines of the table, and what else is to be known."""
    with ExitStack() as stack:
        (database,) = stack.enter_context(databases([FRESH]))
        (BENCH / FRESH.name / "book.json").unlink()  # what is imported is no part of it
        folder = BENCH / "imports"
        gunicorn = stack.enter_context(launched(SERVICE, _env(database), folder / "service"))
        celery = stack.enter_context(worker(_env(database), folder / "worker"))
        served = gunicorn.ready()
        file = folder / "customers.csv"
        bad = _write(file)
        copy = _copied(database, file)
        with Reader(served, database.token, database.ids["loans"]) as idle:
            Event().wait(IDLE_SECONDS)
        with Reader(served, database.token, database.ids["loans"]) as meanwhile:
            seconds, done = _imported(served, database.token, file)
        peaks = [_peak(pid) for pid in (gunicorn.child.pid, celery.pid)]
        notes = machine.described(database)
    _must_be_right(done, bad)
    return _lines(seconds, copy, idle.p99_ms, meanwhile.p99_ms, peaks), notes


def _env(database: Database) -> Mapping[str, str]:
    return {**database.environment, "USE_CELERY": "true"}


def _lines(
    seconds: float, copy: float, idle: float, meanwhile: float, peaks: Sequence[float]
) -> list[Line]:
    rate = LINES / seconds
    service, celery = peaks
    return [
        Line("COPY of the file into a table without an index", LINES / copy, "lines/s"),
        Line("import, first byte to COMPLETED", rate, "lines/s", "≥ 50,000", rate >= 50_000),
        Line("the same, of COPY", copy / seconds, ""),
        Line("GET /loans/{id}, p99, idle", idle, "ms"),
        Line("the same, meanwhile", meanwhile, "ms", "≤ 5 times", meanwhile <= 5 * idle),
        Line("service, largest process", service, "MiB", "≤ 256", service <= 256),
        Line("worker, largest process", celery, "MiB", "≤ 256", celery <= 256),
    ]


def _write(file: Path) -> int:
    """A file of LINES lines, one in BAD_EACH of which is bad; how many are."""
    bad = cycle(BAD)
    number = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as out:
        for at in range(1, LINES + 1):
            if at % BAD_EACH == 0:
                out.write(next(bad).format(at) + "\n")
                number += 1
            else:
                moment = f"2026-{at % 12 + 1:02}-{at % 28 + 1:02}T09:30:00Z" if at % 3 else ""
                out.write(f"imp-{at:08},{at % 9_000 + 100}.50,{moment}\n")
    return number


def _copied(database: Database, file: Path) -> float:
    """The seconds that a COPY of the lines takes, as they are."""
    with psycopg.connect(database.environment["DATABASE_URL"]) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS bench")
        connection.execute("DROP TABLE IF EXISTS bench.lines")
        connection.execute("CREATE TABLE bench.lines (line text)")
        connection.commit()
        began = time.perf_counter()
        with connection.cursor().copy(
            "COPY bench.lines FROM STDIN (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02')"
        ) as copy:
            for piece in _pieces(file):
                copy.write(piece)
        connection.commit()
        return time.perf_counter() - began


def _imported(served: Served, token: str, file: Path) -> tuple[float, Mapping[str, Any]]:
    """The seconds from the first byte to the end, and the import as it stands then."""
    client = http.client.HTTPConnection(urlsplit(served.url).netloc, timeout=600)
    began = time.perf_counter()
    with closing(client), tqdm(total=LINES, desc="importing", unit=" lines") as bar:
        seen = _sent(client, token, file)
        while seen["status"] in ("QUEUED", "RUNNING"):
            time.sleep(0.1)
            client.request("GET", f"/customers/imports/{seen['id']}", headers=_authorized(token))
            seen = json.loads(client.getresponse().read())
            bar.update(seen["processed"] - bar.n)
    return time.perf_counter() - began, seen


def _sent(client: http.client.HTTPConnection, token: str, file: Path) -> dict[str, Any]:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
        f'filename="customers.csv"\r\nContent-Type: text/csv\r\n\r\n'
    ).encode()
    foot = f"\r\n--{BOUNDARY}--\r\n".encode()
    headers = {
        **_authorized(token),
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + file.stat().st_size + len(foot)),
    }

    def body() -> Iterator[bytes]:
        yield head
        yield from _pieces(file)
        yield foot

    client.request("POST", "/customers/imports", body(), headers)
    answer = client.getresponse()
    said = answer.read()
    if answer.status != 202:
        raise BenchError(f"/customers/imports answers {answer.status}: {said!r}")
    seen: dict[str, Any] = json.loads(said)
    return seen


def _must_be_right(done: Mapping[str, Any], bad: int) -> None:
    """Raise BenchError unless every line is accounted for."""
    expected = {"status": "COMPLETED", "created": LINES - bad, "rejected": bad}
    if {name: done[name] for name in expected} != expected:
        raise BenchError(f"The import ended as {done}.")


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            yield piece


def _peak(pid: int) -> float:
    """The most memory, in MiB, that one of the processes has had."""
    parent = psutil.Process(pid)
    processes = (parent, *parent.children(recursive=True))
    peaks = [_high_water(process.pid) for process in processes]
    return max(peaks) / MEBIBYTE


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _authorized(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
