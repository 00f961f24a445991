"""Alembic against the database of the environment's settings."""

from alembic import context
from sqlalchemy import NullPool, create_engine, make_url, text

import app.models  # noqa: F401 (tells the metadata of every table)
from app import config
from app.db import Base


def migrate() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or config.load().database_url
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as connection:
        # Whoever waits for a lock on a table keeps all others waiting behind.
        connection.execute(text("SET lock_timeout = '2s'"))
        # A role's own limit is for requests; a large book takes longer.
        connection.execute(text("SET statement_timeout = 0"))
        connection.commit()
        context.configure(
            connection=connection, target_metadata=Base.metadata, transaction_per_migration=True
        )
        with context.begin_transaction():
            context.run_migrations()


migrate()
