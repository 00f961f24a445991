"""Figures, moments and codes as people read them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

# Each with a sign of its own, so that none is told by its colour alone.
STATUSES: Mapping[str, tuple[str, str]] = {
    "PENDING": ("○", "waits"),
    "FLAGGED": ("⚑", "warns"),
    "APPROVED": ("✓", "good"),
    "REJECTED": ("✕", "bad"),
    "WITHDRAWN": ("↶", "quiet"),
    "ACTIVE": ("●", "good"),
    "PAID": ("✓", "quiet"),
    "INACTIVE": ("✕", "quiet"),
    "COMPLETED": ("✓", "good"),
    "REVERSED": ("↶", "warns"),
    "QUEUED": ("○", "waits"),
    "RUNNING": ("●", "waits"),
    "FAILED": ("✕", "bad"),
}
FACTORS = {
    "amount": "Amount",
    "term_months": "Term",
    "expenses_to_income": "Expenses to income",
}
RULES = {
    "velocity": "Many applications",
    "amount": "Large amount",
    "email-domain": "Shared e-mail domain",
    "disposable-email": "Throw-away e-mail",
    "shared-phone": "Shared phone",
    "income-jump": "Income has jumped",
    "manual": "Flagged by a person",
}


def money(value: Decimal | str | None) -> str:
    """With its thousands apart; nothing for none."""
    return "" if value is None else f"{Decimal(value):,.2f}"


def whole(value: int) -> str:
    return f"{value:,}"


def percent(value: Decimal | None) -> str:
    return "none" if value is None else f"{value * 100:.1f} %"


def share(part: Decimal, of: Decimal) -> int:
    """Hundredths, within 0 and 100: how long a bar is."""
    return max(0, min(100, round(part * 100 / of))) if of else 0


def moment(value: datetime | str | None) -> str:
    """To the minute, in UTC."""
    if value is None:
        return ""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"


def day(value: datetime) -> str:
    """The day, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d}"


def iso(value: datetime | date | str | None) -> str:
    """As programs read it."""
    if value is None or isinstance(value, str):
        return value or ""
    return value.isoformat()


def duration(seconds: float) -> str:
    """In the two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def visible(text: str) -> str:
    """With a sign for each letter that cannot be seen, or turns the order of others about."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def plain(value: Decimal | None) -> str:
    """As a form sends it."""
    return "" if value is None else f"{value:f}"


def short(value: Any) -> str:
    """The end of an id: its beginning is the time, which all of one day share."""
    return f"…{str(value)[-8:]}"


FILTERS = (money, whole, percent, moment, day, iso, plain, short, duration, visible)
