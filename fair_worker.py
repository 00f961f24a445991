"""The worker in which gunicorn serves the app, unless the environment names another."""

import ctypes
import mmap
import socket
import struct
import sys
from time import monotonic
from types import FrameType

from gunicorn.workers.gthread import ThreadWorker

# For connections that are being made when the first is turned away; a round trip of the network.
LAST_HANDSHAKES_SECONDS = 0.3
# The socket drops whoever asks for a connection anew, and goes on with what was asked for before:
# load the flags of the segment; SYN, without ACK: 0 bytes of it are let in, else all.
SO_ATTACH_FILTER = 26
NO_NEW_CONNECTIONS = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),
        (0x54, 0, 0, 0x12),
        (0x15, 0, 1, 0x02),
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


class FairWorker(ThreadWorker):
    """Accepts no connection while all its threads are at work: another worker may have one free.

    Gunicorn's own takes all that comes. Eight clients who keep their connections often wait for
    one process then, while the next is idle.

    When the whole service ends, it gives notice by /ping first, and leaves no connection behind
    that the kernel has made already. Gunicorn's own closes the socket on those, request and all.
    """

    most_connections = 0
    # Set by gunicorn.conf.py once the worker is a process.
    service_ends: mmap.mmap
    notice_seconds: int
    leaves_at: float | None = None

    @property
    def worker_connections(self) -> int:
        busy = self.nr_conns - len(self.keepalived_conns) - len(self.pending_conns)
        return self.most_connections if busy < self.cfg.threads else 0

    @worker_connections.setter
    def worker_connections(self, most: int) -> None:
        self.most_connections = most

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """At once when others go on accepting, which is no reason to send clients elsewhere."""
        if self.alive and self.service_ends[0]:
            self.leaves_at = self.leaves_at or monotonic() + self.notice_seconds
            self.method_queue.defer(lambda: None)
        else:
            super().handle_exit(sig, frame)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        if self.leaves_at is None or not self.alive:
            super().wait_for_and_dispatch_events(timeout)
            return
        if told := getattr(self.wsgi, "extensions", {}).get("ending"):
            told.set()
        super().wait_for_and_dispatch_events(max(0, min(timeout, self.leaves_at - monotonic())))
        self.alive = monotonic() < self.leaves_at

    def set_accept_enabled(self, enabled: bool) -> None:
        if self.leaves_at is not None and not self.alive:
            self._accept_the_last()
        else:
            super().set_accept_enabled(enabled)

    def _accept_the_last(self) -> None:
        for listener in self.sockets:
            turn_away_the_next(listener)
        super().set_accept_enabled(True)
        until = monotonic() + LAST_HANDSHAKES_SECONDS
        while (left := until - monotonic()) > 0:
            super().wait_for_and_dispatch_events(left)
        super().set_accept_enabled(False)
        for listener in self.sockets:
            while self._accepted(listener):
                continue
            listener.close()

    def _accepted(self, listener: socket.socket) -> bool:
        before = self.nr_conns
        self.accept(listener)
        return self.nr_conns > before


def turn_away_the_next(listener: socket.socket) -> None:
    """Have the kernel pass over new connections, which are refused once the socket is closed.

    Where it is not Linux's, one that is made in the very moment of closing is still lost.
    """
    if sys.platform != "linux" or listener.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(NO_NEW_CONNECTIONS)
    length = len(NO_NEW_CONNECTIONS) // struct.calcsize("HBBI")
    told = struct.pack("HP", length, ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, told)
