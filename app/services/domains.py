"""What is known of the domain of an e-mail address."""

import idna
from disposable_email_domains import blocklist
from sqlalchemy import func, select

from app import cache
from app.cache import Namespace
from app.db import db
from app.models import Customer
from app.services import generations

CUSTOMERS = Namespace("domain-customers", seconds=3_600)


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


def is_disposable(domain: str) -> bool:
    """Whether the domain, or one that it lies under, is listed.

    The list is in memory, where it answers a hundred times as fast as a cache would.
    """
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
