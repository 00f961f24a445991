"""Imports that only pretend, with claims and checkpoints in PostgreSQL like real ones."""

import os
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import psycopg
from flask import Flask
from psycopg.rows import dict_row
from sqlalchemy import text

from app import queue
from app.db import db
from app.local.processes import wait_until
from app.queue import Imports

PATIENCE = 60
CHECKPOINT_SECONDS = 0.02
TABLE = """
CREATE TABLE pretended_imports (
    id uuid PRIMARY KEY,
    is_held boolean NOT NULL,
    calls integer NOT NULL DEFAULT 0,
    claims integer NOT NULL DEFAULT 0,
    leased_until timestamptz,
    worked_on_by integer,
    done_at timestamptz
)
"""
OPEN = "done_at IS NULL AND coalesce(leased_until < now(), true)"


def carry_on(import_id: UUID, should_stop: Callable[[], bool]) -> None:
    """What is held goes on, from checkpoint to checkpoint, until it is let go."""
    _execute("UPDATE pretended_imports SET calls = calls + 1 WHERE id = :id", import_id)
    if not _execute(
        f"UPDATE pretended_imports SET claims = claims + 1, worked_on_by = {os.getpid()}, "  # noqa: S608
        f"leased_until = now() + interval '1 hour' WHERE id = :id AND {OPEN} RETURNING id",
        import_id,
    ):
        return
    while _execute("SELECT id FROM pretended_imports WHERE id = :id AND is_held", import_id):
        if should_stop():
            _execute("UPDATE pretended_imports SET leased_until = NULL WHERE id = :id", import_id)
            return
        Event().wait(CHECKPOINT_SECONDS)
    _execute("UPDATE pretended_imports SET done_at = now() WHERE id = :id", import_id)


def unattended() -> list[UUID]:
    return [row.id for row in _execute(f"SELECT id FROM pretended_imports WHERE {OPEN}")]  # noqa: S608


def offered(app: Flask) -> Flask:
    """The app, with these for its imports."""
    queue.offer(app, Imports(carry_on, unattended))
    return app


class Pretended:
    """The table, as a test sees it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._cursor = connection.cursor(row_factory=dict_row)

    def make(self, *, is_held: bool = False) -> UUID:
        import_id = uuid4()
        self._cursor.execute(
            "INSERT INTO pretended_imports (id, is_held) VALUES (%s, %s)", (import_id, is_held)
        )
        return import_id

    def __getitem__(self, import_id: UUID) -> Mapping[str, Any]:
        found = self._cursor.execute("SELECT * FROM pretended_imports WHERE id = %s", (import_id,))
        return found.fetchone() or {}

    def is_done(self, *import_ids: UUID) -> bool:
        return self.come_to(lambda row: row["done_at"] is not None, *import_ids)

    def is_begun(self, import_id: UUID) -> bool:
        return self.come_to(lambda row: row["leased_until"] is not None, import_id)

    def come_to(self, state: Callable[[Mapping[str, Any]], bool], *import_ids: UUID) -> bool:
        """Whether all of them came to be so, however long they took within reason."""
        return wait_until(lambda: all(state(self[each]) for each in import_ids), PATIENCE)

    def let_go(self, import_id: UUID) -> None:
        self._set("is_held = false", import_id)

    def let_all_go(self) -> None:
        self._cursor.execute("UPDATE pretended_imports SET is_held = false")

    def run_out(self, import_id: UUID) -> None:
        """Its lease, as if its time had passed."""
        self._set("leased_until = now() - interval '1 second'", import_id)

    def _set(self, what: str, import_id: UUID) -> None:
        statement = f"UPDATE pretended_imports SET {what} WHERE id = %s"  # noqa: S608
        self._cursor.execute(statement, (import_id,))


def _execute(statement: str, import_id: UUID | None = None) -> list[Any]:
    """The rows it answers, if it is one that answers."""
    with db.engine.connect() as connection:
        result = connection.execute(text(statement), {"id": import_id} if import_id else {})
        return list(result) if result.returns_rows else []
