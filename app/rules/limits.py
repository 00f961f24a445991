"""What a rule is told: whether it is asked, from where on it fires, and how far back it looks."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
WINDOW = re.compile(r"([0-9]{1,5})([mhd])", re.ASCII)
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
SWITCH = {"on": True, "off": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A rule fires beyond `threshold`, never at it; `window` is the time it looks back over."""

    is_on: bool = True
    threshold: Decimal = Decimal(0)
    window: timedelta = timedelta(0)


def changed(limit: Limit, settings: str, *, takes: Collection[str]) -> Limit:
    """`limit` after settings like "on", "off" or "threshold=5, window=48h".

    `takes` names what the rule has of threshold and window. A window is a number of minutes,
    hours or days: 30m, 24h, 90d. Raises ValueError, in words for whoever wrote the settings.
    """
    for setting in settings.split(","):
        name, _, value = (part.strip() for part in setting.partition("="))
        if name in SWITCH and not value:
            limit = replace(limit, is_on=SWITCH[name])
        elif name == "threshold" and name in takes:
            limit = replace(limit, threshold=_number(value))
        elif name == "window" and name in takes:
            limit = replace(limit, window=_window(value))
        else:
            known = ", ".join(("on", "off", *(f"{each}=…" for each in sorted(takes))))
            raise ValueError(f"{setting.strip()!r} is none of: {known}.")
    return limit


def _number(text: str) -> Decimal:
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number like 3 or 2.5.")
    return Decimal(text)


def _window(text: str) -> timedelta:
    found = WINDOW.fullmatch(text)
    if not found or not int(found[1]):
        raise ValueError(f"{text!r} is not a time like 30m, 24h or 90d.")
    return int(found[1]) * UNITS[found[2]]
