"""Folding: moving what was written down of the tallies' changes into the tallies themselves.

PostgreSQL does it, in one statement; whoever reads both at any instant finds the same sums. It is
done in the background of each process that serves, and may be left undone for long: then there is
only more to read. How tallies are kept is in the models and in the migration that makes them.
"""

from contextlib import suppress

from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.background import Background
from app.db import after_each_commit, db, transaction
from app.errors import DatabaseAway, DatabaseBusy
from app.services import search

# However much is written here; and however little, for others write who do not fold.
REST_SECONDS, PAUSE_SECONDS = 1.0, 5.0


def init_app(app: Flask) -> None:
    """Have each commit followed by a fold soon, once whoever serves has woken the folder first."""

    def work() -> None:
        # Of a database that is away requests tell enough.
        with suppress(DatabaseAway, DatabaseBusy, PoolTimeout):
            fold()
            if search.fold():
                folder.wake()  # for the next portion, after a rest

    def follow() -> None:
        if folder.has_begun:
            folder.wake()

    folder = Background(app, work, pause=PAUSE_SECONDS, rest=REST_SECONDS)
    app.extensions["tallies"] = folder
    after_each_commit(app, follow)


def fold() -> int:
    """Fold what was committed until now, and say how many tallies changed; 0 if another does it."""
    # Not in transaction(), after which it would have to be done again.
    with db.engine.connect() as connection:
        changed: int = connection.execute(select(func.fold_tallies())).scalar_one()
    return changed


def recount() -> None:
    """Count everything anew, while others go on writing: for what was written past the triggers.

    It reads every table that is tallied, and no statement of it times out.
    """
    with transaction():
        db.session.execute(text("SET LOCAL statement_timeout = 0"))
        db.session.execute(select(func.recount_tallies()))
