import pytest

from bench.table import Row, formatted, summed_up
from bench.wrk import Measured


def run(rate: float, *, p50_ms: float = 1.0, load_cores: float = 0.1) -> Measured:
    return Measured(int(rate * 2), 2.0, p50_ms, p50_ms * 3, load_cores, p50_ms * 2)


def test_a_row_has_the_medians_of_its_runs() -> None:
    row = summed_up("GET /", [run(100, p50_ms=4), run(900, p50_ms=2), run(200, p50_ms=3)])
    assert (row.rate, row.p50_ms, row.p99_ms, row.cpu_ms, row.ratio) == (200, 3, 9, 6, None)


def test_the_ratio_compares_each_run_with_its_neighbour() -> None:
    """The machine was twice as fast in the second round, which must not count."""
    row = summed_up("GET /", [run(100), run(200), run(90)], [1_000, 2_000, 1_000], target=0.1)
    assert row.ratio == pytest.approx(0.1)
    assert row.verdict == "met"


def test_a_run_without_its_neighbour_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        summed_up("GET /", [run(100), run(200)], [1_000])


def test_the_load_generator_is_shown_at_its_worst() -> None:
    assert summed_up("GET /", [run(9, load_cores=0.2), run(9, load_cores=0.8)]).load_cores == 0.8


def test_a_missed_target_is_named() -> None:
    row = Row("GET /", 10, 1, 2, 0.1, 0.5, ratio=0.219, target=0.22)
    assert row.verdict == "missed"
    assert row.as_json()["verdict"] == "missed"


def test_the_table_is_aligned_markdown() -> None:
    table = formatted(
        [
            Row("bare", 2_622.4, 2.14, 14.2, 0.1, 0.318),
            Row(
                "POST /auth/login", 11.26, 640.0, 700.0, 0.1, 171.0, 0.95, base="Argon2", target=0.9
            ),
        ]
    )
    head, rule, bare, login = table.splitlines()
    assert head.startswith("| call             | requests/s | p50 ms | p99 ms | CPU ms |")
    assert rule.startswith("| ---------------- | ---------: | -----: | -----: | -----: |")
    assert bare.startswith("| bare             |      2,622 |    2.1 |   14.2 |   0.32 |")
    assert login.startswith("| POST /auth/login |       11.3 |  640.0 |  700.0 | 171.00 |")
    assert login.endswith("| 0.950 of Argon2 |  ≥ 0.9 | met |")
    assert len({len(line) for line in table.splitlines()}) == 1


def test_the_bare_route_has_no_ratio_in_the_report() -> None:
    assert Row("bare", 2_622.4, 2.14, 14.2, 0.123456, 0.3181).as_json() == {
        "rate": 2622.4,
        "p50_ms": 2.14,
        "p99_ms": 14.2,
        "cpu_ms": 0.318,
        "load_cores": 0.123,
    }
