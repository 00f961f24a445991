"""Forgetting: in many short transactions, however much there is to forget."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.db import db, transaction
from app.models import LoginFailures
from app.models.base import now
from app.services import expiry

EXPIRED = 5


@pytest.fixture
def deletions(app: Flask) -> Any:
    """How many counts of failures each transaction deletes."""
    found: list[int] = []

    def note(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.startswith("DELETE FROM login_failures"):
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
