"""Workers on imports, in processes that can be killed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psutil


@dataclass(frozen=True)
class Ended:
    """How a child that worked on an import ended, and what it sent to PostgreSQL, if it lived."""

    statements: list[str]
    code: int
    memory: int  # the most that it had, in KiB


class Worker:
    """A process whose children work on imports, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def carry_on(self, import_id: UUID, kill_at: str = "") -> Ended:
        """Have a child work on it to the end, or until it dies."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{import_id} {kill_at}\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def kill(self) -> bool:
        """Kill the child of this moment; False if there is none."""
        children = psutil.Process(self._process.pid).children()
        for child in children:
            child.kill()
        return bool(children)


@contextmanager
def worker(environ: Mapping[str, str], name: str) -> Iterator[Worker]:
    """One that PostgreSQL knows by that name."""
    command = [sys.executable, "-m", "tests.faults.working"]
    mine = {**os.environ, **environ, "PGAPPNAME": name}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=mine, text=True) as process:
        try:
            yield Worker(process)
        finally:
            assert process.stdin
            process.stdin.close()  # by which it ends
