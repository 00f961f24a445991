"""Lists that admins alone look at, and what is read of them to be exported."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from app.db import db
from app.models import ApiKey, HoneypotVisit, Role, User
from app.services.pages import Order, containing, newest_first

Conditions = Sequence[ColumnElement[bool]]


@dataclass(frozen=True, eq=False)
class Roll:
    """One kind of record.

    `shown` selects what may be seen of it: no secret is even read. `meeting` makes conditions of
    the filters, for the list's pages just as well.
    """

    shown: Select[*tuple[Any, ...]]
    meeting: Callable[..., Conditions]
    order: Order

    def whole(
        self, asked: Mapping[str, Any], *, oldest_come_first: bool = False
    ) -> tuple[Select[*tuple[Any, ...]], Mapping[str, Any]]:
        """The statement of all rows that meet the filters, and its parameters."""
        order = replace(self.order, is_descending=not oldest_come_first)
        return self._rows(asked).order_by(*order.by(order.columns)), {}

    def number(self, asked: Mapping[str, Any]) -> int:
        """How many rows meet them."""
        rows = self._rows(asked).subquery()
        return db.session.scalar(select(func.count()).select_from(rows)) or 0

    def _rows(self, asked: Mapping[str, Any]) -> Select[*tuple[Any, ...]]:
        return self.shown.where(*self.meeting(**asked))


def _users(
    *, role: Role | None = None, is_active: bool | None = None, q: str | None = None
) -> Conditions:
    """`q` is looked for in e-mail and nickname."""
    conditions: list[ColumnElement[bool]] = []
    if role is not None:
        conditions.append(User.role == role)
    if is_active is not None:
        conditions.append(User.is_active == is_active)
    if q is not None:
        conditions.append(containing(q, User.email, User.nickname))
    return conditions


def _existing_keys() -> Conditions:
    """What leaves those that nobody has revoked, expired ones included."""
    return [ApiKey.revoked_at.is_(None)]


USERS = Roll(
    select(
        *(User.id, User.email, User.nickname, User.role, User.is_active),
        User.totp_enabled_at.is_not(None).label("has_totp"),
        *(User.created_at, User.last_login_at),
    ),
    _users,
    newest_first(User),
)
API_KEYS = Roll(
    select(
        *(ApiKey.id, ApiKey.name, ApiKey.prefix, ApiKey.role, ApiKey.created_by),
        *(ApiKey.created_at, ApiKey.expires_at, ApiKey.last_used_at),
    ),
    _existing_keys,
    newest_first(ApiKey),
)
HONEYPOT_VISITS = Roll(
    select(*HoneypotVisit.__table__.columns),
    lambda: (),
    Order((HoneypotVisit.at, HoneypotVisit.id)),
)
