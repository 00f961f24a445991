"""Names for ids, as far as whoever asks may know them: for pages that people read."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.db import db
from app.models import ApiKey, Customer, User
from app.services.access import visible_customers
from app.services.actor import Actor


def of_customers(actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """What customers are called: by their own names, or by the external id."""
    if not ids:
        return {}
    own_name = func.nullif(func.concat_ws(" ", Customer.first_name, Customer.last_name), "")
    name = func.coalesce(own_name, Customer.external_id)
    named = visible_customers(actor).with_only_columns(Customer.id, name)
    return _mapped(db.session.execute(named.where(Customer.id.in_(ids))))


def of_callers(actor: Actor, ids: Collection[UUID]) -> Mapping[UUID, str]:
    """The e-mail addresses of users and the names of API keys; whoever is no admin knows none."""
    if not ids or not actor.is_admin:
        return {}
    users = select(User.id, User.email).where(User.id.in_(ids))
    keys = select(ApiKey.id, "API key " + ApiKey.name).where(ApiKey.id.in_(ids))
    return _mapped(db.session.execute(users.union_all(keys)))


def _mapped(rows: Any) -> dict[UUID, str]:
    found: Iterator[tuple[UUID, str]] = map(tuple, rows)
    return dict(found)
