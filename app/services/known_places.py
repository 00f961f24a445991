"""From where an e-mail has logged in before: no name and no address of it is kept, but a digest."""

from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from app.db import db
from app.models import KnownPlace
from app.models.base import now
from app.services import digests

KEPT = timedelta(days=90)
# What one household, or one machine that changes its address, has of IPv6.
IPV6_PREFIX = 64


def name_of(email: str, address: str | None) -> str:
    """The e-mail at this place, which is nowhere without an address."""
    return f"{email}\n{place_of(address) if address else ''}"


def is_known(email: str, address: str | None) -> bool:
    """Whether the e-mail has logged in from there lately."""
    known = select(KnownPlace.known_until).where(
        KnownPlace.digest == digests.of_name(name_of(email, address)),
        KnownPlace.known_until > now(),
    )
    return db.session.scalar(known) is not None


def remember(email: str, address: str | None) -> None:
    """Know the place from now on, in the transaction at work. Nowhere is not remembered."""
    if not address:
        return
    row = insert(KnownPlace).values(
        digest=digests.of_name(name_of(email, address)), known_until=now() + KEPT
    )
    db.session.execute(
        row.on_conflict_do_update(
            index_elements=[KnownPlace.digest], set_={"known_until": row.excluded.known_until}
        )
    )


def place_of(address: str) -> str:
    """The address, or the network that one of IPv6 is in. Raises ValueError for what is none."""
    place = ip_address(address)
    # A socket for both has IPv4 in IPv6's form, in which all of it is one network.
    place = getattr(place, "ipv4_mapped", None) or place
    if isinstance(place, IPv6Address):
        return str(IPv6Network((place, IPV6_PREFIX), strict=False))
    return str(place)
