"""Indexes that follow the filters of the lists of loans and of the audit trail, and of debts."""

from collections.abc import Iterable, Mapping

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ADDED = {
    "ix_loans_created_by_created_at_id_status_open_flags": (
        "loans (created_by, created_at, id) INCLUDE (status, open_flags)"
    ),
    "ix_loans_status_risk_score_amount": (
        "loans (status, risk_score, amount) INCLUDE (open_flags, created_at, id)"
    ),
    "ix_loans_owed": (
        "loans (customer_id) WHERE status IN ('PENDING', 'FLAGGED', 'APPROVED', 'ACTIVE')"
    ),
    "ix_loans_flagged": "loans (created_at, id) WHERE open_flags > 0",
    "ix_loans_flagged_by_status": "loans (status, created_at, id) WHERE open_flags > 0",
    "ix_audit_events_action_at_id": "audit_events (action, at, id)",
    "ix_audit_events_actor_id_at_id": "audit_events (actor_id, at, id)",
}
# What the first of them has, and more.
REMOVED = {"ix_loans_created_by_created_at_id": "loans (created_by, created_at, id)"}


def upgrade() -> None:
    """May be run again where it was interrupted: an index that failed half-way is made anew."""
    _replace(REMOVED, ADDED)


def downgrade() -> None:
    _replace(ADDED, REMOVED)


def _replace(former: Iterable[str], new: Mapping[str, str]) -> None:
    """While everybody goes on reading and writing."""
    with op.get_context().autocommit_block():
        for name, definition in new.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")
        for name in former:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
