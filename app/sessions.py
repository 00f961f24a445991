"""The session: where it reads, when it becomes part of a transaction, and what it refuses."""

from typing import Any, Final

from flask_sqlalchemy.session import Session as BoundSession
from sqlalchemy import Connection, Engine, PoolProxiedConnection, event
from sqlalchemy.orm import ORMExecuteState, Session

# What its `info` holds under these, while there is such a thing.
OPEN: Final = "transaction at work"
WHOLE: Final = "transaction around it"
LENT: Final = "the connection of the transaction"
ELSEWHERE: Final = "the replica it reads from"


class JoiningSession(BoundSession):
    """One that reads from the replica within `on_replica()`, and from the primary elsewhere.

    Of a transaction it becomes a part with the first statement it has to send.
    """

    def get_bind(self, *asked: Any, **options: Any) -> Engine | Connection:
        elsewhere: Engine | None = self.info.get(ELSEWHERE)
        if elsewhere is not None:
            return elsewhere
        engine = super().get_bind(*asked, **options)
        lent: PoolProxiedConnection | Connection | None = self.info.get(LENT)
        if lent is None:
            return engine
        if isinstance(lent, Connection):
            return lent
        assert isinstance(engine, Engine)  # noqa: S101 (nobody binds it to a connection)
        joined = self.info[LENT] = Connection(engine, lent)
        return joined


@event.listens_for(Session, "before_flush")
def _refuse_stray_flush(session: Session, *_: Any) -> None:
    if OPEN not in session.info and (session.new or session.dirty or session.deleted):
        raise RuntimeError("writes belong inside transaction()")


@event.listens_for(Session, "do_orm_execute")
def _refuse_stray_statement(state: ORMExecuteState) -> None:
    is_write = state.is_insert or state.is_update or state.is_delete
    if is_write and OPEN not in state.session.info:
        raise RuntimeError("writes belong inside transaction()")
