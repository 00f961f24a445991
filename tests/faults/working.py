"""A process that works on imports, and kills itself at the statement that it is told.

Each line that it reads names an import, and a place to die at as a request does to
`tests.faults.failing`, or none. What works, and dies, is a child of its own each time; a line of
JSON answers with the statements that it sent, if it lived, its exit code, and the most memory that
it had, in KiB.
"""

import json
import os
import sys
from typing import Any
from uuid import UUID

from app.services import imports
from tests.faults.failing import Failpoints, at_work, service


def carry_on(import_id: UUID, kill_at: str) -> None:
    at_work.points = Failpoints(kill_at)
    with service.app_context():
        imports.carry_on(import_id)


def child(import_id: UUID, kill_at: str) -> dict[str, Any]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        carry_on(import_id, kill_at)
        os.write(writing, json.dumps(at_work.points.statements).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        statements = json.loads(told.read() or "[]")
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return {"statements": statements, "code": code, "memory": used.ru_maxrss}


if __name__ == "__main__":
    for line in sys.stdin:
        named, _, place = line.strip().partition(" ")
        print(json.dumps(child(UUID(named), place)), flush=True)  # noqa: T201
