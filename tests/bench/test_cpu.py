import subprocess
import sys

import psutil
import pytest

from app.local.processes import wait_until
from bench import cpu

WORKER = "sum(range(3_000_000)); input()"
# Ends its own child when it is told to, waits for it, and lives on.
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WORKER!r}], stdin=subprocess.PIPE)
input()
child.communicate(b"\\n")
input()
"""


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not count ended children")
def test_what_a_child_worked_is_counted_after_its_end() -> None:
    """PostgreSQL has a process for each connection, which ends with it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE) as parent:
        assert parent.stdin
        tree = psutil.Process(parent.pid)
        assert wait_until(lambda: bool(tree.children()), 30)
        (child,) = tree.children()
        assert wait_until(lambda: _is_waiting(child), 30)
        worked = child.cpu_times()
        own = tree.cpu_times()
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        assert wait_until(lambda: not tree.children(), 30)
        counted = cpu.seconds([parent.pid])
        parent.communicate(b"\n")
    assert worked.user > 0
    assert counted >= worked.user + worked.system + own.user + own.system


def _is_waiting(child: psutil.Process) -> bool:
    times = child.cpu_times()
    return times.user > 0 and child.status() == psutil.STATUS_SLEEPING
