import json
import os
from pathlib import Path

import pytest

from bench import wrk
from bench.bare import app
from bench.wrk import BenchError, Request

GOOD = {
    "requests": 250,
    "seconds": 2.5,
    "p50_ms": 4.2,
    "p99_ms": 9.9,
    "status": 0,
    "timeout": 0,
    "broken": 0,
}
OUTPUT = """\
Running 2s test @ http://127.0.0.1:20001
  1 threads and 8 connections
  250 requests in 2.50s, 40.00KB read
Requests/sec:    100.00

"""
FAKE = """\
#!/bin/sh
printf '%s\\n' "$@" > {seen}
echo '{report}'
"""


def output(**changes: object) -> str:
    return OUTPUT + json.dumps({**GOOD, **changes}) + "\n"


def test_the_report_is_the_last_line() -> None:
    measured = wrk.parse(output(), cpu_seconds=0.5)
    assert measured.rate == 100
    assert (measured.p50_ms, measured.p99_ms, measured.load_cores) == (4.2, 9.9, 0.2)


@pytest.mark.parametrize("failure", ["status", "timeout", "broken"])
def test_a_run_with_failures_is_no_measurement(failure: str) -> None:
    with pytest.raises(BenchError, match=f"3 of 250 calls failed by {failure}"):
        wrk.parse(output(**{failure: 3}))


def test_a_run_without_answers_is_no_measurement() -> None:
    with pytest.raises(BenchError, match="Not one call"):
        wrk.parse(output(requests=0))


@pytest.mark.parametrize("silence", ["", OUTPUT])
def test_a_run_without_a_report_is_no_measurement(silence: str) -> None:
    with pytest.raises(BenchError, match="did not report"):
        wrk.parse(silence)


def test_a_missing_wrk_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="apt-get install wrk"):
        wrk.must_be_installed()


def test_wrk_is_told_what_to_send(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake, seen, file = tmp_path / "wrk", tmp_path / "seen", tmp_path / "requests"
    fake.write_text(FAKE.format(seen=seen, report=json.dumps(GOOD)))
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    body = '{"amount": "1.00"}'
    requests = [
        Request("GET", "/loans/1"),
        Request("GET", "/loans/", known='W/"1"'),
        Request("POST", "/payments/", body, is_keyed=True),
    ]
    run = wrk.run("http://127.0.0.1:1", requests, file, seconds=2, connections=8, token="t0k3n")
    assert run.clients == 8
    assert file.read_text().splitlines() == [
        "GET\t/loans/1\t\t\t",
        'GET\t/loans/\t\tW/"1"\t',
        f"POST\t/payments/\tkey\t\t{body}",
    ]
    said = seen.read_text().split("\n")
    assert said[said.index("-c") + 1] == "8"
    assert said[said.index("-d") + 1] == "2s"
    assert said[said.index("--") + 1 :] == [str(file), "t0k3n", ""]


def test_a_wrk_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "wrk").write_text("#!/bin/sh\necho 'unable to connect' >&2\nexit 1\n")
    (tmp_path / "wrk").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(BenchError, match="unable to connect"):
        wrk.run("http://x", [], tmp_path / "requests", seconds=1, connections=1, token=None)


def test_the_bare_route_answers_json() -> None:
    assert app.test_client().get("/").get_json() == {"status": "ok"}
