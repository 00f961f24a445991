"""Second factors of users.

A release from before, while it serves beside this one or comes back, asks for none.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COLUMNS = {
    "totp_secret": "bytea",
    "totp_step": "integer",
    "totp_enabled_at": "timestamptz",
    "recovery_digests": "bytea[]",
}
WHOLE = (
    "totp_enabled_at IS NULL OR (totp_secret IS NOT NULL AND totp_step IS NOT NULL "
    "AND recovery_digests IS NOT NULL)"
)


def upgrade() -> None:
    """May be run again where it was interrupted."""
    added = ", ".join(f"ADD COLUMN IF NOT EXISTS {name} {type_}" for name, type_ in COLUMNS.items())
    op.execute(
        f"ALTER TABLE users {added}, DROP CONSTRAINT IF EXISTS ck_users_totp_whole, "
        f"ADD CONSTRAINT ck_users_totp_whole CHECK ({WHOLE}) NOT VALID"
    )
    # While others read and write.
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_totp_whole")


def downgrade() -> None:
    """The second factors are lost; each user sets theirs up anew."""
    removed = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
    op.execute(f"ALTER TABLE users DROP CONSTRAINT ck_users_totp_whole, {removed}")
