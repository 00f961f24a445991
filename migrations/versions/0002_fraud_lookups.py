"""Look customers up by the domain of their e-mail and the digits of their phone.

And let the policy decide: a step in a loan's history, or the answer to a flag, may be nobody's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_customers_email_domain": "lower(split_part(email, '@', -1))",
    "ix_customers_phone_digits": "regexp_replace(phone, '[^0-9]', '', 'g')",
}
DECIDED = ("loan_events", "flag_clearances")


def upgrade() -> None:
    for table in DECIDED:
        op.alter_column(table, "by", nullable=True)
    # Customers are kept while it builds; one that failed half-way is made anew.
    with op.get_context().autocommit_block():
        for name, expression in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "customers",
                [sa.literal_column(expression)],
                unique=False,
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "customers")
    # Refused while the policy has decided anything: whose decision it was would be lost.
    for table in DECIDED:
        op.alter_column(table, "by", nullable=False)
