import subprocess
import sys

import psutil
import pytest

from app.local.processes import wait_until
from bench import cpu

WORKER = "sum(range(3_000_000)); print('worked', flush=True); input()"
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
    command, pipe = [sys.executable, "-c", PARENT], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as parent:
        assert parent.stdin
        assert parent.stdout
        assert parent.stdout.readline() == b"worked\n"
        tree = psutil.Process(parent.pid)
        (child,) = tree.children()
        worked = child.cpu_times()
        parent.stdin.write(b"\n")
        parent.stdin.flush()
        assert wait_until(lambda: not tree.children(), 30)
        own, counted = tree.cpu_times(), cpu.seconds([parent.pid])
        parent.communicate(b"\n")
    assert worked.user > 0
    # The kernel counts in hundredths.
    assert round(counted - own.user - own.system, 2) >= round(worked.user + worked.system, 2)
