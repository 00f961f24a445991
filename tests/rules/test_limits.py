"""Limits as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.rules.limits import Limit, changed

DEFAULT = Limit(threshold=Decimal(3), window=timedelta(hours=24))
BOTH = ("threshold", "window")


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ("off", Limit(is_on=False, threshold=Decimal(3), window=timedelta(hours=24))),
        ("on", DEFAULT),
        ("threshold=5", Limit(threshold=Decimal(5), window=timedelta(hours=24))),
        ("threshold=2.5", Limit(threshold=Decimal("2.5"), window=timedelta(hours=24))),
        ("window=90d", Limit(threshold=Decimal(3), window=timedelta(days=90))),
        ("window=30m", Limit(threshold=Decimal(3), window=timedelta(minutes=30))),
        (" threshold = 5 , window=48h", Limit(threshold=Decimal(5), window=timedelta(hours=48))),
    ],
)
def test_what_is_not_named_stays(settings: str, limit: Limit) -> None:
    assert changed(DEFAULT, settings, takes=BOTH) == limit


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ("", "none of: on, off, threshold=…, window=…"),
        ("of", "'of' is none of"),
        ("threshold", "is not a number"),
        ("treshold=3", "'treshold=3' is none of"),
        ("threshold=", "is not a number"),
        ("threshold=-1", "'-1' is not a number"),
        ("threshold=NaN", "is not a number"),
        ("threshold=1e3", "is not a number"),
        ("threshold=\u0661", "is not a number"),
        ("window=24", "'24' is not a time"),
        ("window=0h", "'0h' is not a time"),
        ("window=2w", "is not a time"),
        ("on=yes", "none of"),
        ("threshold=3,", "none of"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(settings: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        changed(DEFAULT, settings, takes=BOTH)


def test_a_rule_without_a_window_takes_none() -> None:
    with pytest.raises(ValueError, match="none of: on, off, threshold=…"):
        changed(Limit(threshold=Decimal(1)), "window=24h", takes=("threshold",))
