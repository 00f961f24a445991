import pytest

from bench.table import Beside, Row, formatted, summed_up
from bench.targets import at_least, p50_within, p99_within
from bench.wrk import Measured


def run(rate: float, *, p50_ms: float = 1.0, load_cores: float = 0.1) -> Measured:
    return Measured(int(rate * 2), 2.0, p50_ms, p50_ms * 3, load_cores, p50_ms * 2, 8)


def test_a_row_has_the_medians_of_its_runs() -> None:
    row = summed_up("GET /", [run(100, p50_ms=4), run(900, p50_ms=2), run(200, p50_ms=3)])
    assert (row.rate, row.p50_ms, row.p99_ms, row.cpu_ms, row.ratio) == (200, 3, 9, 6, None)


def test_the_ratio_compares_each_run_with_its_neighbour() -> None:
    """The machine was twice as fast in the second round, which must not count."""
    beside = [Beside(1_000, 2.0), Beside(2_000, 1.0), Beside(1_000, 2.0)]
    runs = [run(100, p50_ms=6), run(200, p50_ms=3), run(90, p50_ms=7)]
    row = summed_up("GET /", runs, beside, target=at_least(0.1))
    assert row.ratio == pytest.approx(0.1)
    assert row.p50_ratio == pytest.approx(3)
    assert row.verdict == "met"


def test_what_is_no_call_has_no_time_to_compare_with() -> None:
    row = summed_up("POST /auth/login", [run(9)], [Beside(10)], base="Argon2")
    assert (row.ratio, row.p50_ratio) == (0.9, None)


def test_a_run_without_its_neighbour_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        summed_up("GET /", [run(100), run(200)], [Beside(1_000)])


def test_the_load_generator_is_shown_at_its_worst() -> None:
    assert summed_up("GET /", [run(9, load_cores=0.2), run(9, load_cores=0.8)]).load_cores == 0.8


def test_a_missed_target_is_named() -> None:
    row = Row("GET /", 8, 10, 1, 2, 0.1, 0.5, ratio=0.219, target=at_least(0.22))
    assert row.verdict == "missed"
    assert row.as_json()["verdict"] == "missed"
    assert row.as_json()["target"] == "≥ 0.22"


def test_the_table_is_aligned_markdown() -> None:
    login = Row(
        "POST /auth/login",
        4,
        11.26,
        640.0,
        700.0,
        0.1,
        171.0,
        ratio=0.95,
        base="Argon2",
        target=at_least(0.9),
    )
    table = formatted([Row("bare", 8, 2_622.4, 2.14, 14.2, 0.1, 0.318), login])
    head, rule, bare, last = table.splitlines()
    assert head.startswith("| call             | clients | requests/s | p50 ms | p99 ms | CPU ms |")
    assert rule.startswith("| ---------------- | ------: | ---------: | -----: | -----: | -----: |")
    assert bare.startswith("| bare             |       8 |      2,622 |    2.1 |   14.2 |   0.32 |")
    assert last.startswith("| POST /auth/login |       4 |       11.3 |  640.0 |  700.0 | 171.00 |")
    assert last.endswith("| 0.950 of Argon2 |  ≥ 0.9 | met |")
    assert len({len(line) for line in table.splitlines()}) == 1


def test_a_target_for_the_time_shows_how_the_times_compare() -> None:
    row = Row(
        "GET /deep",
        8,
        400,
        8.0,
        20.0,
        0.1,
        2.0,
        ratio=0.25,
        p50_ratio=4.125,
        base="page 1",
        target=p50_within(5),
    )
    assert formatted([row]).endswith("| 0.250 of page 1, p50 4.12 times | p50 ≤ 5 times | met |")


def test_a_target_for_the_slowest_shows_the_bound() -> None:
    row = Row("GET /q", 2, 400, 8.0, 51.0, 0.1, 2.0, ratio=0.25, target=p99_within(50))
    assert formatted([row]).endswith("| 0.250 | p99 ≤ 50 ms | missed |")


def test_the_bare_route_has_no_ratio_in_the_report() -> None:
    assert Row("bare", 8, 2_622.4, 2.14, 14.2, 0.123456, 0.3181).as_json() == {
        "rate": 2622.4,
        "p50_ms": 2.14,
        "p99_ms": 14.2,
        "cpu_ms": 0.318,
        "load_cores": 0.123,
        "clients": 8,
    }


def test_a_column_without_content_is_wide_enough_for_markdown() -> None:
    rule = formatted([Row("bare", 8, 2_622.4, 2.14, 14.2, 0.1, 0.318)]).splitlines()[1]
    assert rule.endswith("| --: |")
