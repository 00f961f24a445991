"""Figures: right across worker processes, whoever of them lives, dies or is asked."""

import os
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from app.local.processes import wait_until
from tests.factories import LOAN, Caller
from tests.serving import Service, served

WORKERS, CLIENTS, ROUNDS = 4, 8, 28
POOL = 8  # connections that a worker may have
SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)", re.ASCII)
LABEL = re.compile(r'(\w+)="([^"]*)"', re.ASCII)
PATIENCE = 30

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(text: str) -> Figures:
    """What Prometheus would read."""
    found: Figures = {}
    for line in text.splitlines():
        if not line.startswith("#") and (sample := SAMPLE.fullmatch(line)):
            name, labels, value = sample.groups()
            found[name, frozenset(LABEL.findall(labels or ""))] = float(value)
    return found


def figure(text: str, name: str, **labels: str) -> float:
    """The sum of all whose labels are these, among others."""
    wanted = frozenset(labels.items())
    return sum(value for (of, its), value in figures(text).items() if of == name and wanted <= its)


def is_settled(text: str) -> bool:
    """Whether all workers have begun to serve, and have seen the last byte of each answer off."""
    pools, in_flight = "loans_database_pool_size", "loans_http_requests_in_flight"
    return (figure(text, pools), figure(text, in_flight)) == (WORKERS * POOL, 1)


def scraped(service: Service) -> str:
    with service.client() as client:
        answer = client.get("/metrics")
    assert answer.status == 200
    return answer.body.decode()


def requests_counted(text: str) -> Counter[tuple[str, str, int]]:
    """Those of the text's own kind aside, which its reader sent."""
    found: Counter[tuple[str, str, int]] = Counter()
    for (name, labels), value in figures(text).items():
        of = dict(labels)
        if name == "loans_http_requests_total" and of["route"] not in ("/metrics", "/healthz"):
            found[of["method"], of["route"], int(of["status"])] += int(value)
    return found


def load(service: Service, admin: Caller, loan: dict[str, Any]) -> Counter[tuple[str, str, int]]:
    """Ask in many ways at once; what was answered, by the client's own count."""
    ways = [
        ("GET", f"/loans/{loan['id']}", "/loans/<ref>", None),
        ("GET", "/loans/nobody", "/loans/<ref>", None),
        ("GET", "/loans/?page=0", "/loans/", None),
        ("POST", "/loans/", "/loans/", {**LOAN, "customer_id": loan["customer_id"]}),
        ("POST", "/customers/", "/customers/", {"first_name": ""}),
        ("GET", "/somewhere/else", "unknown", None),
        ("BREW", "/ping", "unknown", None),
    ]

    def ask(number: int) -> Counter[tuple[str, str, int]]:
        answered: Counter[tuple[str, str, int]] = Counter()
        with service.client(admin.headers if number % 4 else {}) as client:
            for turn in range(ROUNDS):
                method, path, route, body = ways[(number + turn) % len(ways)]
                status = client.send(method, path, body).status
                answered["other" if method == "BREW" else method, route, status] += 1
        return answered

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(ask, range(CLIENTS)), Counter())


def test_four_workers_counted_what_the_clients_did_whoever_died_meanwhile(
    environ: dict[str, str], admin: Caller, loan: dict[str, Any]
) -> None:
    with served(environ, workers=WORKERS) as service:
        answered = load(service, admin, loan)
        assert len(answered) >= 8
        assert requests_counted(scraped(service)) == answered
        for ended_by in (signal.SIGKILL, signal.SIGTERM):
            former = service.workers()
            for worker in former:
                os.kill(worker, ended_by)
            assert wait_until(lambda gone=former: not any(map(psutil.pid_exists, gone)), PATIENCE)
            assert wait_until(lambda: len(service.workers()) == WORKERS, PATIENCE)
            answered += load(service, admin, loan)
            text = scraped(service)
            assert requests_counted(text) == answered
        assert wait_until(lambda: is_settled(scraped(service)), PATIENCE), scraped(service)
        assert figure(text, "loans_http_request_seconds_count", route="/loans/<ref>") == sum(
            times for (_, route, _), times in answered.items() if route == "/loans/<ref>"
        )
        metrics = Path(service.log.parent / "metrics")
        kinds = Counter(path.name.split("_")[0] for path in metrics.glob("*.db"))
        assert max(kinds[kind] for kind in ("counter", "histogram")) <= WORKERS + 1
