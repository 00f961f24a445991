"""Run by path, not imported: `leash.py PARENT|- SIGNAL UID:GID|- COMMAND…` becomes COMMAND.

A program of its own because code run between fork and exec is unsafe beside threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def drop_privileges(account: str) -> None:
    """Become `UID:GID` with no other group, for good."""
    uid, gid = (int(number) for number in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when the thread that started this process ends.

    Call it last: the kernel forgets it when the user changes.
    """
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal) != 0:
        raise SystemExit("the kernel refused PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        raise SystemExit("the launcher ended before its child began")


def become(parent: str, death_signal: str, account: str, *command: str) -> None:
    """Replace this process by `command`, held as asked."""
    # Python handles the one and ignores the other; both would be in the way of the command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if account != "-":
        drop_privileges(account)
    if parent != "-":
        die_with(int(parent), int(death_signal))
    os.umask(0o077)
    os.execv(command[0], command)  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    become(*sys.argv[1:])
