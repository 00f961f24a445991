"""What dead workers counted: kept once, by whoever buries, and read by nobody twice."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from app.web import buried

COUNT = """
import os
from prometheus_client import Counter, Gauge, Histogram, Summary
Counter("deeds", "Deeds.", ("kind",)).labels("good").inc({times})
Histogram("seconds", "Time.").observe({times})
Summary("waits", "Waits.").observe({times})
Gauge("lent", "Lent.", multiprocess_mode="livesum").set({times})
print(os.getpid())
"""


def counted(folder: Path, times: int) -> int:
    """The id of a process that counted so often, and is dead."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(times=times)],
        env={"PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def told(folder: Path) -> dict[str, float]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))
    return {
        sample.name: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if "le" not in sample.labels
    }


def test_what_the_dead_counted_stays_and_what_they_said_of_themselves_goes(tmp_path: Path) -> None:
    pids = [counted(tmp_path, times) for times in (2, 3)]
    before = told(tmp_path)
    assert before["lent"] == 5
    for pid in (*pids, pids[0]):
        buried.bury(pid, tmp_path)
    after = told(tmp_path)
    assert after == {name: value for name, value in before.items() if name != "lent"}
    assert (after["deeds_total"], after["seconds_sum"], after["waits_count"]) == (5, 5, 2)
    assert {path.name for path in tmp_path.glob("*.db")} == {
        f"{kind}_0.db" for kind in buried.KINDS
    }


@pytest.mark.parametrize("torn", [b"", b"\xff\xff\xff\x7f" + b"x" * 60])
def test_a_file_that_is_not_whole_keeps_nobody_from_the_others(tmp_path: Path, torn: bytes) -> None:
    pid = counted(tmp_path, 2)
    (tmp_path / f"histogram_{pid}.db").write_bytes(torn)
    buried.bury(pid, tmp_path)
    assert told(tmp_path)["deeds_total"] == 2


def test_a_process_that_is_just_making_its_file_keeps_nobody_from_the_others(
    tmp_path: Path, make_app: Callable[..., Flask]
) -> None:
    counted(tmp_path, 2)
    (tmp_path / "counter_1.db").touch()
    answer = make_app(PROMETHEUS_MULTIPROC_DIR=str(tmp_path)).test_client().get("/metrics")
    assert answer.status_code == 200
    assert 'deeds_total{kind="good"} 2.0' in answer.text


def test_nobody_is_buried_while_somebody_reads(tmp_path: Path) -> None:
    pid = counted(tmp_path, 1)
    burying = Thread(target=buried.bury, args=(pid, tmp_path))
    with buried.unmoved(tmp_path), buried.unmoved(tmp_path):
        burying.start()
        burying.join(0.2)
        assert burying.is_alive()
        assert (tmp_path / f"counter_{pid}.db").exists()
    burying.join(10)
    assert not (tmp_path / f"counter_{pid}.db").exists()
