"""What is known of the domain of an e-mail address."""

from dataclasses import dataclass
from importlib.metadata import version

import idna
from disposable_email_domains import blocklist
from sqlalchemy import func, select

from app import cache
from app.cache import Namespace
from app.db import db
from app.models import Customer

HOUR = 3_600
CUSTOMERS = Namespace("domain-customers", HOUR)
DISPOSABLE = Namespace("domain-disposable", HOUR)
LIST = version("disposable-email-domains")


@dataclass(frozen=True, slots=True)
class Domain:
    """How many customers have an address at it, and whether it is made to be thrown away."""

    customers: int
    is_disposable: bool


def look_up(domain: str, generation: str | None) -> Domain:
    """What is known of a domain, written as Customer.email_domain is.

    `generation` is that of "customers", read before in the same transaction.
    """
    if not generation:
        return Domain(_count(domain), is_disposable(domain))
    counted, listed = CUSTOMERS.key(generation, domain), DISPOSABLE.key(LIST, domain)
    customers, disposable = cache.find(counted, listed)
    found = {}
    if customers is None:
        found[counted] = customers = b"%d" % _count(domain)
    if disposable is None:
        found[listed] = disposable = b"%d" % is_disposable(domain)
    if found:
        cache.keep(found)
    return Domain(int(customers), disposable == b"1")


def is_disposable(domain: str) -> bool:
    """Whether the domain, or one that it lies under, is listed; asks no server."""
    labels = _in_ascii(domain).split(".")
    return any(".".join(labels[start:]) in blocklist for start in range(len(labels) - 1))


def _in_ascii(domain: str) -> str:
    """As the list writes it; addresses are stored with the letters people read."""
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain


def _count(domain: str) -> int:
    query = select(func.count()).where(Customer.email_domain == domain)
    return db.session.connection().execute(query).scalar_one()
