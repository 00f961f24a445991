"""What processes have worked."""

from collections.abc import Iterable
from contextlib import suppress

import psutil


def seconds(pids: Iterable[int]) -> float:
    """The CPU time of these processes and of their children that still live."""
    total = 0.0
    for pid in pids:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
    return total
