"""Look customers up by the domain of their e-mail and the digits of their phone.

Keep what was first asked for and declared. And let the policy decide: a step in a loan's history,
or the answer to a flag, may be nobody's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_customers_email_domain_created_at": "lower(split_part(email, '@', -1))",
    "ix_customers_phone_digits_created_at": "regexp_replace(phone, '[^0-9]', '', 'g')",
}
DECIDED = ("loan_events", "flag_clearances")
FIRST = {"first_amount": "first_amount > 0", "first_income": "first_income >= 0"}


def upgrade() -> None:
    for table in DECIDED:
        op.alter_column(table, "by", nullable=True)
    for name, bound in FIRST.items():
        op.add_column("loans", sa.Column(name, sa.Numeric(precision=14, scale=2), nullable=True))
        # Not validated, which would read the whole table under a lock: all of them are null.
        op.execute(
            f"ALTER TABLE loans ADD CONSTRAINT ck_loans_{name}_in_range "
            f"CHECK ({bound} AND {name} <= 999999999999.99) NOT VALID"
        )
    # Customers go on being kept while it builds; an index that failed half-way is made anew.
    with op.get_context().autocommit_block():
        for name in FIRST:
            op.execute(f"ALTER TABLE loans VALIDATE CONSTRAINT ck_loans_{name}_in_range")
        for name, expression in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.create_index(
                name,
                "customers",
                [sa.literal_column(expression), "created_at"],
                unique=False,
                postgresql_concurrently=True,
            )


def downgrade() -> None:
    for name in INDEXES:
        op.drop_index(name, "customers")
    for name in FIRST:
        op.drop_column("loans", name)
    # Refused while the policy has decided anything: whose decision it was would be lost.
    for table in DECIDED:
        op.alter_column(table, "by", nullable=False)
