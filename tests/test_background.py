"""Work beside the requests: one thread a process, woken, retrying, and gone with its process."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path
from queue import Queue
from threading import Event, current_thread
from time import monotonic
from typing import Any

import pytest
from flask import Flask, current_app

from app.background import Background

NEVER, SOON, REST = 3600.0, 0.001, 0.05
ROOT = Path(__file__).parents[1]
Started = Callable[..., Background]


@pytest.fixture
def host() -> Flask:
    return Flask("host")


@pytest.fixture
def started(host: Flask) -> Iterator[Started]:
    made: list[Background] = []

    def make(work: Callable[[], object], pause: float = NEVER, rest: float = 0) -> Background:
        made.append(Background(host, work, pause=pause, rest=rest))
        return made[-1]

    yield make
    for background in made:
        background.close()


def threads() -> int:
    return sum(thread.name == "background" for thread in threading.enumerate())


def test_no_thread_runs_before_it_is_needed(started: Started) -> None:
    background = started(lambda: None)
    assert (threads(), background.has_begun) == (0, False)
    background.wake()
    assert (threads(), background.has_begun) == (1, True)


def test_it_works_in_its_own_thread_and_app_context(host: Flask, started: Started) -> None:
    seen: Queue[Any] = Queue()
    started(lambda: seen.put((current_thread().name, current_app.name))).wake()
    assert seen.get(timeout=20) == ("background", "host")


def test_fifty_who_wake_it_at_once_start_one_thread(
    started: Started, in_parallel: Callable[..., list[Any]]
) -> None:
    background = started(lambda: None)
    in_parallel(*[background.wake] * 50)
    assert threads() == 1


def test_it_works_again_after_its_pause(started: Started) -> None:
    began: Queue[float] = Queue()
    started(lambda: began.put(monotonic()), pause=REST).wake()
    times = [began.get(timeout=20) for _ in range(3)]
    assert all(later - earlier >= REST for earlier, later in pairwise(times))


def test_whoever_wakes_it_under_way_has_it_work_once_more(started: Started) -> None:
    runs: Queue[bool] = Queue()
    goes_on = Event()

    def work() -> None:
        runs.put(goes_on.is_set())
        goes_on.wait(20)

    background = started(work)
    background.wake()
    first = runs.get(timeout=20)
    background.wake()
    goes_on.set()
    assert (first, runs.get(timeout=20)) == (False, True)


def test_it_rests_however_often_it_is_woken(started: Started) -> None:
    began: Queue[float] = Queue()

    def work() -> None:
        began.put(monotonic())
        background.wake()

    background = started(work, rest=REST)
    background.wake()
    times = [began.get(timeout=20) for _ in range(3)]
    assert all(later - earlier >= REST for earlier, later in pairwise(times))


def test_closing_ends_its_rest(started: Started) -> None:
    ran: Queue[None] = Queue()
    background = started(lambda: ran.put(None), rest=NEVER)
    background.wake()
    ran.get(timeout=20)
    background.close()
    assert threads() == 0


def test_work_that_fails_is_done_again(started: Started) -> None:
    runs, numbers = Queue[int](), count(1)

    def work() -> None:
        runs.put(next(numbers))
        raise RuntimeError

    started(work, pause=SOON).wake()
    assert [runs.get(timeout=20) for _ in range(3)] == [1, 2, 3]


def test_closing_waits_for_the_work_under_way_and_ends_it_for_good(
    started: Started, in_parallel: Callable[..., list[Any]]
) -> None:
    begun, goes_on, ended = Event(), Event(), Event()

    def work() -> None:
        begun.set()
        goes_on.wait(20)
        ended.set()

    def finish() -> None:
        assert not ended.is_set()
        goes_on.set()

    background = started(work, pause=SOON)
    background.wake()
    assert begun.wait(20)
    in_parallel(background.close, finish)
    assert ended.is_set()
    begun.clear()
    background.wake()
    assert (threads(), begun.is_set()) == (0, False)


def test_closing_within_a_time_leaves_longer_work_to_itself(started: Started) -> None:
    begun, goes_on = Event(), Event()

    def work() -> None:
        begun.set()
        goes_on.wait(20)

    background = started(work)
    background.wake()
    assert begun.wait(20)
    background.close(within=SOON)
    assert (threads(), background.is_closed) == (1, True)
    goes_on.set()


def test_closing_what_never_ran_is_quiet(started: Started) -> None:
    background = started(lambda: None)
    background.close()
    assert (threads(), background.is_closed) == (0, True)


def ran(script: str) -> subprocess.CompletedProcess[str]:
    """A process that begins with what every one of these needs, and ends within its time."""
    begin = (
        "import os\nfrom threading import Event\nfrom flask import Flask\n"
        "from app.background import Background\nhost, begun = Flask('host'), Event()\n"
    )
    command = [sys.executable, "-c", begin + script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)


def test_a_process_ends_whatever_its_thread_is_at() -> None:
    done = ran(
        "def work():\n"
        "    begun.set()\n"
        "    Event().wait()\n"
        "Background(host, work, pause=60).wake()\n"
        "assert begun.wait(20)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_forked_process_has_a_thread_of_its_own() -> None:
    done = ran(
        "background = Background(host, begun.set, pause=60)\n"
        "background.wake()\n"
        "assert begun.wait(20)\n"
        "begun.clear()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    background.wake()\n"
        "    os._exit(not begun.wait(20))\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
