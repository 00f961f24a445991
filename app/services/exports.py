"""Exports: all that a list has, out of one view of everything, some rows at a time.

An export holds a connection, and a view that PostgreSQL keeps for its sake, for as long as whoever
takes it needs. Hence there are few at a time, and each ends where nobody takes any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, Protocol
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy import Select, func, select

from app.config import Settings
from app.db import transaction
from app.errors import ExportsBusy
from app.services import audit, customers, imports, loans, payments, replica
from app.services.actor import Actor
from app.services.records import CUSTOMERS, LOANS, PAYMENTS
from app.services.rolls import API_KEYS, HONEYPOT_VISITS, USERS

# Threads and connections are there for other requests, too: at most a quarter of the pool.
AT_ONCE, OF_THE_POOL = 2, 4
ROWS_AT_ONCE = 1_000
# However PostgreSQL is set up. A client who takes nothing is given up by the server long before.
IDLE_AT_MOST = "10min"

Rows = Sequence[Any]


class Listed(Protocol):
    """What there is of a kind, all of it."""

    def number(self, asked: Mapping[str, Any]) -> int: ...
    def whole(
        self, asked: Mapping[str, Any], *, oldest_come_first: bool = False
    ) -> tuple[Select[*tuple[Any, ...]], Mapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Export:
    """What an actor asks to take out. Nothing is read, nor on record, until it is opened."""

    actor: Actor
    name: str
    listing: Listed
    asked: Mapping[str, Any]
    filters: Mapping[str, Any]
    oldest_come_first: bool = field(default=False, kw_only=True)

    def count(self) -> int:
        """How many rows it has at this moment."""
        return self.listing.number(self.asked)

    @contextmanager
    def opened(self) -> Iterator[Iterator[Rows]]:
        """The rows in the list's order, ROWS_AT_ONCE; first it goes on record who takes them.

        Raises ExportsBusy while there are as many as one process has room for.
        """
        with _slot():
            with transaction():
                audit.record(self.actor, f"{self.name}.exported", self.actor, filters=self._told())
            statement, values = self.listing.whole(
                self.asked, oldest_come_first=self.oldest_come_first
            )
            with replica.view(self.actor.position) as view:
                view.execute(_allow_idleness).all()
                with view.execute(statement, values) as rows:
                    yield rows.partitions(ROWS_AT_ONCE)

    def _told(self) -> Mapping[str, Any]:
        """For the record: what was asked for, but nothing that was sought, often a name."""
        given = {name: value for name, value in self.filters.items() if value is not None}
        return {name: "…" if name == "q" else _plain(value) for name, value in given.items()}


def of_customers(actor: Actor, **filters: Any) -> Export:
    """All customers that the list has with the same filters. Raises StaffOnly."""
    actor.must_be_staff()
    return Export(actor, "customers", CUSTOMERS, customers.asked(actor, **filters), filters)


def of_loans(actor: Actor, *, sort: str = "newest", **filters: Any) -> Export:
    """All loans that the list has with the same filters. Raises StaffOnly."""
    actor.must_be_staff()
    asked = loans.asked(actor, **filters)
    return Export(actor, "loans", LOANS, asked, filters, oldest_come_first=sort == "oldest")


def of_payments(actor: Actor, **filters: Any) -> Export:
    """All payments that the list has with the same filters. Raises StaffOnly."""
    actor.must_be_staff()
    return Export(actor, "payments", PAYMENTS, payments.asked(actor, **filters), filters)


def of_refused_lines(actor: Actor, import_id: UUID) -> Export:
    """All lines that the import has refused so far. Raises StaffOnly, ImportNotFound."""
    asked = {"import_id": imports.find(actor, import_id).id}
    return Export(actor, "import-errors", imports.REFUSED, asked, asked)


def of_users(actor: Actor, **filters: Any) -> Export:
    """All users that the list has with the same filters. Raises AdminOnly."""
    actor.must_be_admin()
    return Export(actor, "users", USERS, filters, filters)


def of_api_keys(actor: Actor) -> Export:
    """All keys that still exist, without the keys themselves. Raises AdminOnly."""
    actor.must_be_admin()
    return Export(actor, "api_keys", API_KEYS, {}, {})


def of_audit(actor: Actor, **filters: Any) -> Export:
    """All events that the list has with the same filters, this export's too. Raises AdminOnly."""
    actor.must_be_admin()
    return Export(actor, "audit", audit.TRAIL, audit.asked(**filters), filters)


def of_honeypot_visits(actor: Actor) -> Export:
    """All attempts at the honeypot that were written down. Raises AdminOnly."""
    actor.must_be_admin()
    return Export(actor, "honeypot_visits", HONEYPOT_VISITS, {}, {})


def init_app(app: Flask, settings: Settings) -> None:
    at_once = min(AT_ONCE, settings.database_pool_size // OF_THE_POOL)
    app.extensions["exports"] = BoundedSemaphore(max(1, at_once))


_allow_idleness = select(func.set_config("idle_in_transaction_session_timeout", IDLE_AT_MOST, True))


@contextmanager
def _slot() -> Iterator[None]:
    """One of the places to export in; whoever finds none had better come back than wait."""
    slots: BoundedSemaphore = current_app.extensions["exports"]
    if not slots.acquire(blocking=False):
        raise ExportsBusy
    try:
        yield
    finally:
        slots.release()


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | list) else str(value)
