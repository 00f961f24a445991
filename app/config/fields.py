"""What a variable of the environment can hold."""

import re
from collections.abc import Iterator
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from email_validator import EmailNotValidError, validate_email
from limits import RateLimitItem, parse
from marshmallow import ValidationError, fields

from app.rules import fraud, limits
from app.rules.limits import Limit

Network = IPv4Network | IPv6Network
NETWORK = re.compile(r"[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?", re.ASCII)
PLACE = re.compile(r"/(?:[a-z0-9][a-z0-9-]{0,38}/){1,3}", re.ASCII)
# What the paths of the API and of its documents begin with.
TAKEN = frozenset(
    (
        *("auth", "customers", "exports", "healthz", "imports", "loans", "metrics", "payments"),
        *("ping", "problems", "redoc", "reports", "static", "swagger"),
    )
)


class Names(fields.Field[tuple[str, ...]]):
    """A comma-separated list."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> tuple[str, ...]:
        return tuple(_named(value))


class Networks(fields.Field[tuple[Network, ...]]):
    """A comma-separated list of addresses and networks (192.0.2.0/24)."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> tuple[Network, ...]:
        names = tuple(_named(value))
        for name in names:
            if not NETWORK.fullmatch(name):  # by which nginx goes, too: no masks
                raise ValidationError(f"{name!r} is no address, nor a network like 192.0.2.0/24.")
        try:
            return tuple(map(ip_network, names))
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Pace(fields.Field[RateLimitItem | None]):
    """How often in which time (30/minute, 100/15minutes), or off."""

    def __init__(self, default: str) -> None:
        super().__init__(load_default=parse(default))

    def _deserialize(self, value: str, *_: Any, **__: Any) -> RateLimitItem | None:
        if value == "off":
            return None
        try:
            return parse(value)
        except ValueError:
            raise ValidationError(f"{value!r} is no pace like 30/minute, nor off.") from None


class Figure(fields.Field[Decimal]):
    """An exact number, written as the pattern says and not otherwise."""

    def __init__(self, pattern: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = re.compile(pattern, re.ASCII)

    def _deserialize(self, value: str, *_: Any, **__: Any) -> Decimal:
        if not self.pattern.fullmatch(value):
            raise ValidationError(f"{value!r} is not a number like 0.50 or 10000.")
        return Decimal(value)


class Domains(fields.Field[frozenset[str]]):
    """A comma-separated list of domains, in the spelling that addresses are stored in."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> frozenset[str]:
        return frozenset(_normalized(name) for name in _named(value))


def _normalized(domain: str) -> str:
    try:
        address = f"anyone@{domain}"
        return validate_email(address, check_deliverability=False, test_environment=True).domain
    except EmailNotValidError:
        raise ValidationError(f"{domain!r} is no domain.") from None


class RuleLimit(fields.Field[Limit]):
    """The limit of one fraud rule: on, off, threshold=…, window=…, separated by commas."""

    def __init__(self, rule: fraud.Rule) -> None:
        super().__init__(load_default=rule.limit)
        self.rule = rule

    def _deserialize(self, value: str, *_: Any, **__: Any) -> Limit:
        try:
            return limits.changed(self.rule.limit, value, takes=self.rule.takes)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class Place(fields.Field[str]):
    """A path of the site where pages live, like /console/; kept with a slash at both ends."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> str:
        place = f"/{value.strip('/')}/"
        if not PLACE.fullmatch(place):
            raise ValidationError(f"{value!r} is no path like /console/.")
        if place.split("/")[1] in TAKEN:
            raise ValidationError(f"{value!r} is where the API answers.")
        return place


def _named(value: str) -> Iterator[str]:
    return filter(None, (name.strip() for name in value.split(",")))
