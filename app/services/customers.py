"""Keeping customers."""

from collections.abc import Mapping
from typing import Any

from app.db import db, transaction
from app.errors import StaffOnly
from app.models import Customer, CustomerStatus
from app.services import audit, fraud
from app.services.access import find_customer
from app.services.actor import Actor
from app.services.pages import Page
from app.services.records import CUSTOMERS, own
from app.services.search import page_of_matches

STAFF_SETS = frozenset(("status", "credit_limit", "preapproved_at"))


def create(actor: Actor, **values: Any) -> Customer:
    """Add a customer. Raises EmailTaken, PhoneTaken, ExternalIdTaken, CustomerIncomplete."""
    _must_be_theirs_to_set(actor, values)
    with transaction():
        customer = Customer(created_by=actor.id, **values)
        db.session.add(customer)
        audit.record(actor, "customer.created", customer)
    return customer


def search(
    actor: Actor,
    *,
    page: int,
    page_size: int,
    cursor: str | None = None,
    q: str | None = None,
    status: CustomerStatus | None = None,
    external_id: str | None = None,
) -> Page[Any]:
    """Page through the visible customers; `q` is sought in name, e-mail, phone and external id.

    Raises Invalid for a cursor of another list.
    """
    if q is None or external_id is not None or not actor.is_staff:
        wanted = asked(actor, q=q, status=status, external_id=external_id)
        return CUSTOMERS.page(wanted, page=page, page_size=page_size, cursor=cursor)
    return page_of_matches(q, status=status, page=page, page_size=page_size, cursor=cursor)


def asked(
    actor: Actor,
    *,
    q: str | None = None,
    status: CustomerStatus | None = None,
    external_id: str | None = None,
) -> Mapping[str, Any]:
    """What filters ask CUSTOMERS for, of the visible ones."""
    of_status = status and str(status)
    return {**own(actor), "status": of_status, "external_id": external_id, "q": q}


def change(actor: Actor, ref: str, **values: Any) -> Customer:
    """Change a customer's own fields; `status` and `credit_limit` only by staff.

    Fraud rules that read what was changed are asked again about the customer's open applications.
    """
    with transaction():
        customer = find_customer(actor, ref, lock=True)
        _must_be_theirs_to_set(actor, values)
        if changed := customer.assign(values):
            audit.record(actor, "customer.changed", customer, fields=changed)
            fraud.reexamine_open_applications(actor, customer, changed)
    return customer


def remove(actor: Actor, ref: str) -> None:
    """Delete a customer nothing refers to. Raises CustomerInUse."""
    actor.must_be_staff()
    with transaction():
        customer = find_customer(actor, ref, lock=True)
        db.session.delete(customer)
        audit.record(actor, "customer.removed", customer)


def _must_be_theirs_to_set(actor: Actor, values: Mapping[str, Any]) -> None:
    if not actor.is_staff and STAFF_SETS & values.keys():
        raise StaffOnly("Only an officer or an admin sets: " + ", ".join(sorted(STAFF_SETS)) + ".")
