"""What the service stands on, asked now."""

from threading import Event

from flask import Flask, current_app

from app import cache, engines
from app.services import replica


def init_app(app: Flask) -> None:
    """Whoever ends the process sets `ending`, and takes requests for as long as it gives notice."""
    app.extensions["ending"] = Event()


def check() -> dict[str, object]:
    """Whether the database, the cache and the replica answer, where there is one.

    `pong` follows the database alone, until the end.
    """
    has_db, has_cache = engines.answers(), cache.answers()
    words = {True: "ok", False: "down"}
    told: dict[str, object] = {"pong": has_db, "db": words[has_db], "cache": words[has_cache]}
    if current_app.extensions["ending"].is_set():
        told["pong"] = False
    return {**told, "replica": replica.state()} if replica.is_set() else told
