"""What is known of the domain of an e-mail address."""

from functools import lru_cache
from importlib.metadata import version

import idna
from disposable_email_domains import blocklist
from sqlalchemy import func, select

from app import cache
from app.cache import Namespace
from app.db import db
from app.models import Customer
from app.services import generations

HOUR, DAY = 3_600, 86_400
CUSTOMERS = Namespace("domain-customers", HOUR)
DISPOSABLE = Namespace("domain-disposable", DAY)
LIST = version("disposable-email-domains")


def customers(domain: str) -> int:
    """How many have an address at a domain, which is written as Customer.email_domain is.

    For domains of which there are too many to count them each time.
    """
    generation = generations.current("customers") if cache.is_at_hand(CUSTOMERS) else None
    if not generation:
        return _count(domain)
    key = CUSTOMERS.key(generation, domain)
    counted = cache.find(key)
    if counted is None:
        counted = b"%d" % _count(domain)
        cache.keep(key, counted)
    return int(counted)


@lru_cache(maxsize=30_000)
def is_known_disposable(domain: str) -> bool:
    """As `is_disposable`, remembered by Redis, and for good by this process: so is the list."""
    key = DISPOSABLE.key(LIST, domain)
    listed = cache.find(key)
    if listed is None:
        listed = b"%d" % is_disposable(domain)
        cache.keep(key, listed)
    return listed == b"1"


def is_disposable(domain: str) -> bool:
    """Whether the domain, or one that it lies under, is listed; asks no server."""
    labels = _in_ascii(domain).split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


def _in_ascii(domain: str) -> str:
    """As the list writes it; addresses are stored with the letters people read."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain


def _count(domain: str) -> int:
    query = select(func.count()).where(Customer.email_domain == func.lower(domain))
    return db.session.connection().execute(query).scalar_one()
