"""What dead workers counted: added up in one file of each kind, however many die in a year.

Each process counts in files of its own. Left where they are, those of the dead would fill the
folder, and take the reader ever longer.
"""

import fcntl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead

KINDS = ("counter", "histogram", "summary")
NOBODY = 0  # no process's id
# Of a file that is not whole: its worker died as it made it.
TORN = (RuntimeError, ValueError, struct.error)


@contextmanager
def unmoved(folder: Path, *, by_others: bool = True) -> Iterator[None]:
    """Nothing is moved in the folder meanwhile: many may read it at once, one buries."""
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH if by_others else fcntl.LOCK_EX)
        yield


def bury(pid: int, folder: Path) -> None:
    """Keep what a dead worker counted, and forget what it said of its own present.

    What cannot be read is lost, or nobody could read the others.
    """
    with unmoved(folder, by_others=False):
        mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        for kind in KINDS:
            counted = folder / f"{kind}_{pid}.db"
            if counted.exists():
                with suppress(*TORN):
                    _add(counted, folder / f"{kind}_{NOBODY}.db")
                counted.unlink()


def _add(counted: Path, total: Path) -> None:
    found = [*MmapedDict.read_all_values_from_file(str(counted))]  # type: ignore[no-untyped-call]
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        for key, value, *_ in found:
            before, _ = sums.read_value(key)  # type: ignore[no-untyped-call]
            sums.write_value(key, before + value, 0.0)  # type: ignore[no-untyped-call]
    finally:
        sums.close()  # type: ignore[no-untyped-call]
