"""Money as the tests count it: in whole cents, never through what the service counts with."""


def shown(cents: int) -> str:
    """As the service shows it."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"


def cents(amount: str) -> int:
    """What an answer shows, with two decimals and nothing else."""
    whole, point, hundredths = amount.partition(".")
    assert (point, len(hundredths)) == (".", 2), amount
    value = int(whole.lstrip("-")) * 100 + int(hundredths)
    return -value if whole.startswith("-") else value
