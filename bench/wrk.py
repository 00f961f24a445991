"""The load generator, `wrk`: running it and reading what it says."""

import json
import resource
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("requests.lua")
MISSING = (
    "The load generator is missing. Install wrk and start again:\n"
    "  Debian, Ubuntu: sudo apt-get install wrk\n  macOS: brew install wrk"
)
TIMEOUT_SECONDS = 30


class BenchError(Exception):
    """Why there is no figure, in words for the person at the terminal."""


class Request(NamedTuple):
    """`is_keyed`: sent with an Idempotency-Key that no other has, however often it is sent.

    `known` is the entity tag of an answer that the reader has already.
    """

    method: str
    path: str
    body: str = ""
    is_keyed: bool = False
    known: str = ""

    @property
    def line(self) -> str:
        key = "key" if self.is_keyed else ""
        return "\t".join((self.method, self.path, key, self.known, self.body))


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `load_cores` is how much of a core the load generator itself took.

    `cpu_ms` is what the servers worked for one answer, which a busy neighbour changes little. So
    many `clients` sent at once: the more, the longer each waits for a core.
    """

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    load_cores: float = 0.0
    cpu_ms: float = 0.0
    clients: int = 0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def must_be_installed() -> None:
    """Raise BenchError, saying how to install it, unless wrk is here."""
    if shutil.which("wrk") is None:
        raise BenchError(MISSING)


def run(
    base: str,
    requests: Iterable[Request],
    file: Path,
    *,
    seconds: int,
    connections: int,
    token: str | None,
) -> Measured:
    """Send the requests in turn for so long, over so many connections. Raises BenchError.

    `file` is where they are written for wrk to read.
    """
    file.write_text("".join(f"{request.line}\n" for request in requests))
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s"]
    command += ["--timeout", f"{TIMEOUT_SECONDS}s", "-s", str(SCRIPT), base, "--", str(file)]
    before = _cpu_seconds()
    ended = subprocess.run(
        [*command, token] if token else command, capture_output=True, text=True, check=False
    )
    used = _cpu_seconds() - before
    if ended.returncode != 0:
        raise BenchError(f"wrk failed: {ended.stderr or ended.stdout}")
    return replace(parse(ended.stdout, used), clients=connections)


def parse(output: str, cpu_seconds: float = 0.0) -> Measured:
    """What the script's last line reports. Raises BenchError unless every answer was a good one."""
    try:
        report = json.loads(output.strip().rpartition("\n")[2])
    except ValueError:
        raise BenchError(f"wrk did not report: {output}") from None
    for what in ("status", "timeout", "broken"):
        if report[what]:
            raise BenchError(f"{report[what]} of {report['requests']} calls failed by {what}.")
    if not report["requests"]:
        raise BenchError("Not one call was answered in time.")
    return Measured(
        requests=report["requests"],
        seconds=report["seconds"],
        p50_ms=report["p50_ms"],
        p99_ms=report["p99_ms"],
        load_cores=cpu_seconds / report["seconds"],
    )


def _cpu_seconds() -> float:
    """Of all children that have ended; the servers have not."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
