from random import Random

import pytest

from bench.calls import BARE, Call
from bench.ids import QUERIES
from bench.lines import GROWTH, LINES
from bench.plans import PLANS, WORKERS
from bench.servers import AS_LITTLE

PAGES = ("first_page", "deep_page", "by_cursor")
IDS = {kind: ["an-id"] for kind in (*QUERIES, *PAGES)}
# Each once, and in the same order in every process that collects them.
CALLS = list(dict.fromkeys(call for line in (*LINES, *GROWTH, *WORKERS) for call in line.calls))


def test_each_line_has_a_name_of_its_own() -> None:
    for plan in PLANS.values():
        assert len({line.name for line in plan.lines}) == len(plan.lines)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.served_by.name)
def test_requests_survive_their_file(call: Call) -> None:
    """A tab or a line break within one would cut it in two."""
    for request in call.requests(Random(1), IDS)[:50]:
        assert not set("\t\n") & set(request.path + request.body)


def test_growth_compares_a_call_with_the_same_on_a_smaller_book() -> None:
    assert len(GROWTH) == len([line for line in LINES if line.grown])
    for line in GROWTH:
        assert isinstance(line.beside, Call)
        assert (line.beside.make, line.beside.clients) == (line.call.make, line.call.clients)
        assert line.beside.served_by.is_beside
        assert not line.call.served_by.is_beside
        assert line.beside.served_by.settings == line.call.served_by.settings
        assert line.target


def test_what_is_not_cached_is_asked_of_a_service_without_a_cache() -> None:
    uncached = [line for line in LINES if "uncached" in line.name or "any range" in line.name]
    asked = [line.call for line in uncached if "beside" not in line.name]
    assert asked
    assert {call.served_by.settings["CACHE_ENABLED"] for call in asked} == {"false"}


def test_a_known_list_is_asked_for_like_a_cached_one() -> None:
    known, cached = (next(x.call for x in LINES if x.name.endswith(e)) for e in ("304", " cached"))
    assert (known.make, known.served_by) == (cached.make, cached.served_by)
    assert (known.status, known.is_conditional) == (304, True)


def test_classes_of_workers_are_compared_without_another_difference() -> None:
    settings = [line.call.served_by.settings for line in WORKERS]
    assert {"sync", "gthread"} <= {found["GUNICORN_WORKER_CLASS"] for found in settings}
    for found in settings:
        assert {name: found[name] for name in AS_LITTLE} == AS_LITTLE
    bases = {line.beside for line in WORKERS} - {BARE}
    assert {call.served_by.name for call in bases if isinstance(call, Call)} == {"gthread 4"}


def test_sync_workers_have_one_thread_or_gunicorn_would_take_gthread() -> None:
    threads = [
        line.call.served_by.settings["GUNICORN_THREADS"]
        for line in WORKERS
        if line.call.served_by.settings["GUNICORN_WORKER_CLASS"] == "sync"
    ]
    assert set(threads) == {"1"}


def test_reports_ask_for_any_range_open_ends_too() -> None:
    (report,) = (line.call for line in LINES if "any range" in line.name)
    ids = {"days": ["2024-01-01", "2025-01-01"]}
    paths = {request.path for request in report.requests(Random(1), ids)}
    assert "/reports/portfolio" in paths
    assert "/reports/portfolio?to=2024-01-01" in paths
    assert "/reports/portfolio?from=2024-01-01&to=2025-01-01" in paths
    assert not [path for path in paths if "from=2025-01-01&to=2024-01-01" in path]


def test_searches_take_three_letters_from_anywhere_in_a_text() -> None:
    (search,) = (line.call for line in LINES if "?q=" in line.name)
    paths = {request.path for request in search.requests(Random(1), {"texts": ["Anna+"]})}
    assert paths == {f"/customers/?q={q}&page_size=20" for q in ("Ann", "nna", "na%2B")}
