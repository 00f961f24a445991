"""What the service stands on, asked now."""

from app import cache, db
from app.services import replica


def check() -> dict[str, object]:
    """Whether the database, the cache and the replica answer, where there is one.

    `pong` follows the database alone.
    """
    has_db, has_cache = db.answers(), cache.answers()
    words = {True: "ok", False: "down"}
    told: dict[str, object] = {"pong": has_db, "db": words[has_db], "cache": words[has_cache]}
    return {**told, "replica": replica.state()} if replica.is_set() else told
