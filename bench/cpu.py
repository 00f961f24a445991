"""What processes have worked."""

from collections.abc import Iterable
from contextlib import suppress

import psutil


def seconds(pids: Iterable[int]) -> float:
    """The CPU time of these processes and of their children, also of those that have ended.

    A child that ended is counted in its parent, as Linux does; macOS forgets it.
    """
    total = 0.0
    for pid in pids:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
    return total
