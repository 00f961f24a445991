"""Alembic against the database of the environment's settings."""

from alembic import context
from sqlalchemy import create_engine, make_url

import app.models  # noqa: F401 (tells the metadata of every table)
from app import config
from app.db import Base


def migrate() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or config.load().database_url
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


migrate()
