"""What PostgreSQL tells of work beside requests, as figures for Prometheus.

Whoever is asked tells the same, however many processes and machines there are: such figures are
not to be summed up over them.
"""

from collections.abc import Iterator
from itertools import product
from typing import get_args

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DatabaseAway, DatabaseBusy
from app.services import jobs
from app.services.jobs import Jobs


class _State(Collector):
    def collect(self) -> Iterator[Metric]:
        """With the database away, that it is."""
        try:
            state = jobs.state()
        except (DatabaseAway, DatabaseBusy, PoolTimeout):
            yield _gauge("database_up", "Whether PostgreSQL answers whoever was asked for this.", 0)
            return
        yield _gauge("database_up", "Whether PostgreSQL answers whoever was asked for this.", 1)
        yield from _work(state)
        yield from _tasks(state)


def registry() -> CollectorRegistry:
    """What tells the state of this moment, when it is asked."""
    made = CollectorRegistry()
    made.register(_State())
    return made


def _work(state: Jobs) -> Iterator[Metric]:
    work = state.work
    lines = CounterMetricFamily(
        "loans_import_lines", "Lines of imports worked on.", labels=("outcome",)
    )
    lines.add_metric(("created",), work.lines_created)
    lines.add_metric(("rejected",), work.lines_rejected)
    yield lines
    under_way = GaugeMetricFamily("loans_imports", "Imports that are not over.", labels=("status",))
    under_way.add_metric(("queued",), work.imports_queued)
    under_way.add_metric(("running",), work.imports_running)
    yield under_way
    yield _gauge(
        "import_oldest_wait_seconds",
        "How long some part of an import has waited for a worker.",
        work.import_waits,
    )
    yield _gauge("notices_waiting", "Mails about flagged loans to be sent.", work.notices_waiting)
    yield _gauge(
        "notice_oldest_wait_seconds",
        "How long the oldest of them has waited.",
        work.notice_waits,
    )
    yield _gauge(
        "notices_given_up", "Mails that the mail server refused too often.", work.notices_given_up
    )


def _tasks(state: Jobs) -> Iterator[Metric]:
    labels = ("task", "outcome")
    runs = CounterMetricFamily("loans_task_runs", "Times that a task was run.", labels=labels)
    seconds = CounterMetricFamily("loans_task_seconds", "Time that took.", labels=labels)
    last = GaugeMetricFamily(
        "loans_task_last_timestamp_seconds", "When it last came to that.", labels=labels
    )
    never = set(product(jobs.TASKS, get_args(jobs.Outcome)))
    never -= {(run.task, run.outcome) for run in state.tasks}
    for of in sorted(never):
        runs.add_metric(of, 0)
        seconds.add_metric(of, 0)
    for run in state.tasks:
        of = (run.task, run.outcome)
        runs.add_metric(of, run.runs)
        seconds.add_metric(of, run.seconds)
        last.add_metric(of, run.last_at.timestamp())
    yield from (runs, seconds, last)


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"loans_{name}", told, value=float(value))
