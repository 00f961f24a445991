"""How far an import is, as its figures tell."""

from typing import Any

import pytest

from app.models import CustomerImport, ImportStatus


def an_import(status: ImportStatus, *, processed: int, seconds: float | None) -> CustomerImport:
    """One of 1,000 lines."""
    figures: dict[str, Any] = {"processed": processed, "seconds": seconds}
    return CustomerImport(status=status, total_lines=1_000, **figures)


@pytest.mark.parametrize(
    ("status", "processed", "seconds", "rate", "left"),
    [
        (ImportStatus.QUEUED, 0, None, None, None),
        (ImportStatus.RUNNING, 0, 0.5, None, None),
        (ImportStatus.RUNNING, 100, 0.5, 200, 5),
        (ImportStatus.RUNNING, 300, 1.0, 300, 3),
        (ImportStatus.RUNNING, 1, 10.0, 0, None),
        (ImportStatus.RUNNING, 1_000, 2.0, 500, 0),
        (ImportStatus.COMPLETED, 1_000, 2.0, 500, 0),
        (ImportStatus.FAILED, 100, 2.0, 50, 0),
        (ImportStatus.FAILED, 0, None, None, 0),
    ],
)
def test_the_rate_so_far_tells_how_long_the_rest_will_take(
    status: ImportStatus, processed: int, seconds: float | None, rate: int | None, left: int | None
) -> None:
    """Rounded up to whole seconds."""
    found = an_import(status, processed=processed, seconds=seconds)
    assert (found.lines_per_second, found.seconds_left) == (rate, left)
