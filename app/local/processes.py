"""Child processes that end with the process that started them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from app.local.accounts import Account

LEASH = Path(__file__).with_name("leash.py")
KERNEL_TELLS_OF_DEATH = sys.platform == "linux"
POLL_SECONDS = 0.02
WATCH = 'read -r _ || kill -s "$1" "$2"'


class LocalError(Exception):
    """Why the service cannot be started here, in words for the person at the terminal."""


class Child:
    """One process on a leash: it gets `death_signal` when this process ends, even by SIGKILL.

    Start it from the main thread, for the kernel's promise is bound to the thread. It has a
    session of its own, so that Ctrl-C reaches the launcher alone, which stops things in order.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        death_signal: signal.Signals,
        env: Mapping[str, str],
        cwd: Path,
        account: Account | None = None,
        stdin: bytes | None = None,
        output: IO[bytes] | None = None,
    ) -> None:
        user = f"{account.uid}:{account.gid}" if account else "-"
        parent = str(os.getpid()) if KERNEL_TELLS_OF_DEATH else "-"
        leash = [sys.executable, "-I", "-S", str(LEASH), parent, str(int(death_signal)), user]
        self._process = subprocess.Popen(  # noqa: S603  the launcher's own commands
            [*leash, *command],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=None if output is None else subprocess.STDOUT,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._watcher = None if KERNEL_TELLS_OF_DEATH else self._watched(death_signal)
        if self._process.stdin and stdin is not None:
            with self._process.stdin as pipe:
                pipe.write(stdin)

    def _watched(self, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        """A shell that reads a pipe only this process holds; its end is this process's end."""
        name = death_signal.name.removeprefix("SIG")
        return subprocess.Popen(  # noqa: S603
            ["/bin/sh", "-c", WATCH, "watch", name, str(self.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        code = self._process.poll()
        if code is not None and self._watcher:
            self._watcher.communicate(b"\n")
            self._watcher = None
        return code

    def send(self, signum: signal.Signals) -> None:
        """Send a signal; to one already gone, nothing."""
        self._process.send_signal(signum)

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None when it still runs after `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return self.poll()

    def end(self, *signals: tuple[signal.Signals, float]) -> None:
        """Send each signal and give it its seconds; what still runs then is killed."""
        for signum, patience in signals:
            self.send(signum)
            if self.wait(patience) is not None:
                return
        self.send(signal.SIGKILL)
        self.wait()


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether `done()` came true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def tail(log: Path, start: int = 0, lines: int = 15) -> str:
    """The last lines of a log, of what was written from byte `start` on."""
    if not log.exists():
        return ""
    text = log.read_bytes()[start:].decode(errors="replace")
    return "\n".join(f"  | {line}" for line in text.splitlines()[-lines:])
