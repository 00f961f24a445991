"""What the service stands on, asked now."""

from app import cache, db


def check() -> dict[str, object]:
    """Whether the database and the cache answer; `pong` follows the database alone."""
    has_db, has_cache = db.answers(), cache.answers()
    words = {True: "ok", False: "down"}
    return {"pong": has_db, "db": words[has_db], "cache": words[has_cache]}
