"""Forgetting: in many short transactions, however much there is, and whoever else does it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from app.db import db, transaction
from app.models import LoginFailures
from app.models.base import now
from app.services import expiry

EXPIRED = 5


def add(app: Flask, *numbers: int) -> None:
    """Counts of failures that have had their time."""
    with app.app_context(), transaction():
        for number in numbers:
            digest = number.to_bytes(2, "big")
            db.session.add(LoginFailures(email_digest=digest, failures=1, window_ends_at=now()))


@pytest.fixture
def deletions(app: Flask) -> Any:
    """How many counts of failures each transaction deletes."""
    found: list[int] = []

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if "DELETE FROM login_failures" in statement:
            found.append(cursor.rowcount)

    with app.app_context():
        event.listen(db.engine, "after_cursor_execute", note)
        yield found
        event.remove(db.engine, "after_cursor_execute", note)


@pytest.mark.usefixtures("clean")
def test_what_a_day_has_left_is_forgotten_some_at_a_time(
    deletions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 2)
    with transaction():
        for number, age in enumerate([*range(EXPIRED), -1]):
            ended = now() - timedelta(minutes=age)
            failed = LoginFailures(email_digest=bytes([number]), failures=1, window_ends_at=ended)
            db.session.add(failed)
    assert expiry.forget_expired() == EXPIRED
    assert deletions == [2, 2, 1]
    assert expiry.forget_expired() == 0


@pytest.mark.usefixtures("clean")
def test_what_many_forget_at_once_is_deleted_once_and_nobody_waits(
    app: Flask, monkeypatch: pytest.MonkeyPatch, in_parallel: Callable[..., list[Any]]
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", 7)
    add(app, *range(400))

    def forget() -> int:
        with app.app_context():
            return expiry.forget_expired()

    assert sum(in_parallel(*[forget] * 4)) == 400


@pytest.mark.usefixtures("clean")
def test_a_window_that_begins_anew_meanwhile_is_kept(app: Flask) -> None:
    """Whose failures were counted in it would else have all their guesses again."""
    add(app, 1)
    renewed = update(LoginFailures).values(window_ends_at=now() + timedelta(minutes=15))
    with app.app_context(), db.engine.connect() as other:
        with other.execution_options(isolation_level="READ COMMITTED").begin():
            other.execute(renewed)
            assert expiry.forget_expired() == 0
        assert len(db.session.scalars(select(LoginFailures)).all()) == 1
