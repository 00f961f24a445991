"""Keys that tokens are signed with, and the places that e-mails have logged in from.

A release from before, while it serves beside this one or comes back, signs with SECRET_KEY itself,
which is the first of the keys, and reads no other's tokens.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
        sa.UniqueConstraint("name", name="uq_signing_keys_name"),
    )
    op.create_index("ix_signing_keys_retires_at", "signing_keys", ["retires_at"])
    op.create_table(
        "known_places",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("known_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_known_places"),
    )
    op.create_index("ix_known_places_known_until", "known_places", ["known_until"])


def downgrade() -> None:
    """Whoever holds a token of another key than SECRET_KEY logs in again."""
    op.drop_table("known_places")
    op.drop_table("signing_keys")
