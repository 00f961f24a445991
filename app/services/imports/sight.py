"""Looking at imports: how far they are, and which lines were refused."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select

from app.db import db
from app.errors import ImportNotFound
from app.models import CustomerImport, ImportStatus, RefusedLine
from app.services.actor import Actor
from app.services.pages import Order, Page, newest_first, page_of

BY_LINE = Order((RefusedLine.line,), is_descending=False)


class RefusedLines:
    """All lines that an import has refused so far, in the file's order."""

    of_import = RefusedLine.import_id == bindparam("import_id")

    def whole(
        self, asked: Mapping[str, Any], **_: bool
    ) -> tuple[Select[*tuple[Any, ...]], Mapping[str, Any]]:
        """The statement of all of them, in their one order, and its parameters."""
        lines = select(RefusedLine.line, RefusedLine.value, RefusedLine.reason)
        return lines.where(self.of_import).order_by(*BY_LINE.by(BY_LINE.columns)), asked

    def number(self, asked: Mapping[str, Any]) -> int:
        """How many there are."""
        counted = select(func.count()).select_from(RefusedLine).where(self.of_import)
        return db.session.scalar(counted, asked) or 0


REFUSED = RefusedLines()


def find(actor: Actor, import_id: UUID) -> CustomerImport:
    """An import as it stands now. Staff only. Raises ImportNotFound."""
    query = _accepted(actor).where(CustomerImport.id == import_id)
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise ImportNotFound
    return found


def search(
    actor: Actor, *, page: int, page_size: int, cursor: str | None = None
) -> Page[CustomerImport]:
    """Page through the imports. Staff only."""
    query = _accepted(actor)
    order = newest_first(CustomerImport)
    return page_of(query, order=order, page=page, page_size=page_size, cursor=cursor)


def refused_lines(
    actor: Actor, import_id: UUID, *, page: int, page_size: int, cursor: str | None = None
) -> Page[RefusedLine]:
    """Page through the lines refused so far, in the file's order. Raises ImportNotFound."""
    find(actor, import_id)
    query = select(RefusedLine).where(RefusedLine.import_id == import_id)
    return page_of(query, order=BY_LINE, page=page, page_size=page_size, cursor=cursor)


def _accepted(actor: Actor) -> Select[CustomerImport]:
    """The root of every query on imports: a file on its way is nobody's yet."""
    actor.must_be_staff()
    return select(CustomerImport).where(CustomerImport.status != ImportStatus.UPLOADING)
