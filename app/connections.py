"""What a connection to PostgreSQL brings with it, the service's own or one lent by PgBouncer.

One that is lent by the transaction keeps nothing in between: no settings, which each transaction
then makes anew, and no prepared statements.
"""

from typing import Any

from sqlalchemy import Select, func, select

from app.config import Settings

CONNECT_SECONDS = 3
# A host that vanishes must not hold its locks for the two hours of the system's default.
KEEPALIVE = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# Of a replica whose host vanished: one that is there answers, and the primary is there to ask.
IMPATIENT = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5_000,
}
# Indexes are in memory, or on what reads from anywhere alike: PostgreSQL's own figure is of disks
# that turn, and has it read a whole table rather than half an index.
PLANNING = {"random_page_cost": "1.1"}


def arguments(settings: Settings) -> dict[str, Any]:
    """How the driver connects."""
    if settings.database_behind_pgbouncer:
        return {"connect_timeout": CONNECT_SECONDS, "prepare_threshold": None}
    settled = {**_limits(settings), **KEEPALIVE, **PLANNING}
    options = " ".join(f"-c {name}={value}" for name, value in settled.items())
    return {"connect_timeout": CONNECT_SECONDS, "options": options}


def set_limits(settings: Settings) -> Select[Any]:
    """The statement that sets a transaction's limits, until it ends."""
    return select(
        *(func.set_config(name, value, True) for name, value in _limits(settings).items())
    )


def speak_utc(connection: Any, _: object) -> None:
    """PgBouncer keeps the time zone by its client: the one setting that reads can rely on."""
    connection.execute("SET TIME ZONE 'UTC'")


def _limits(settings: Settings) -> dict[str, str]:
    return {
        "lock_timeout": str(settings.database_lock_timeout_ms),
        "statement_timeout": str(settings.database_statement_timeout_ms),
        "timezone": "UTC",
    }
