"""What PostgreSQL's errors mean: a refusal by the constraint's name, a trouble by its code."""

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from app.errors import Contended, DatabaseAway, DatabaseBusy, DomainError

_refusals: dict[str, type[DomainError]] = {}


def refuses(constraint: str, error: type[DomainError]) -> None:
    """Say which refusal the violation of a constraint means; every other violation is a bug."""
    _refusals[constraint] = error


def translated(cause: psycopg.Error) -> DomainError | None:
    """The refusal that an error of the driver means; None for a bug."""
    state = cause.sqlstate or ""
    if isinstance(cause, psycopg.IntegrityError):
        refusal = _refusals.get(cause.diag.constraint_name or "")
        return refusal() if refusal else None
    if state in ("40001", "40P01"):
        return Contended()
    if state in ("55P03", "57014"):
        return DatabaseBusy()
    # Read-only, as a standby, or a server without room left to write; or tired of waiting for us.
    if state in ("25006", "25P03"):
        return DatabaseAway()
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return DatabaseAway()
    return None


@event.listens_for(Engine, "handle_error")
def _translate(context: ExceptionContext) -> BaseException | None:
    cause = context.original_exception
    return translated(cause) if isinstance(cause, psycopg.Error) else None
