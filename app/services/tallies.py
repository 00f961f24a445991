"""Folding: moving what was written down of the tallies' changes into the tallies themselves.

PostgreSQL does it, in one statement; whoever reads both at any instant finds the same sums. It is
done in the background of each process that writes, and may be left undone for long: then there is
only more to read. How tallies are kept is in the models and in the migration that makes them.
"""

from flask import Flask
from sqlalchemy import func, select, text

from app.background import Background
from app.db import after_each_commit, db, transaction

# After each time, however much is written; and once in a while, in case that another process died.
REST_SECONDS, PAUSE_SECONDS = 1.0, 60.0


def init_app(app: Flask) -> None:
    folder = Background(app, fold, pause=PAUSE_SECONDS, rest=REST_SECONDS)
    app.extensions["tallies"] = folder
    after_each_commit(app, folder.wake)


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
