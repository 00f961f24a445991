"""Argon2 within bounds."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask

from app.services import passwords


@pytest.fixture
def one_at_a_time(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> tuple[Flask, list[bool]]:
    """A service that hashes one password at a time, and for each whether the one place was held."""
    held: list[bool] = []

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def run(self: PasswordHasher, *args: Any, **kwargs: Any) -> Any:
            is_free = passwords._slots(1).acquire(blocking=False)
            if is_free:
                passwords._slots(1).release()
            held.append(not is_free)
            return method(self, *args, **kwargs)

        return run

    for name in ("hash", "verify"):
        monkeypatch.setattr(PasswordHasher, name, watched(getattr(PasswordHasher, name)))
    passwords._nobodys_hash.cache_clear()
    return make_app(ARGON2_CONCURRENCY="1"), held


def test_a_password_is_hashed_within_the_bound(one_at_a_time: tuple[Flask, list[bool]]) -> None:
    app, held = one_at_a_time
    with app.app_context():
        passwords.hashed("a password")
    assert held == [True]


def test_a_password_is_matched_within_the_bound(one_at_a_time: tuple[Flask, list[bool]]) -> None:
    app, held = one_at_a_time
    with app.app_context():
        made = passwords.hashed("a password")
        assert passwords.matches("a password", made)
    assert held == [True, True, True]  # its own, nobody's for the first time, the match


def test_the_place_is_free_again_after_a_wrong_password(
    one_at_a_time: tuple[Flask, list[bool]],
) -> None:
    app, _ = one_at_a_time
    with app.app_context():
        assert not passwords.matches("a password", None)
        assert not passwords.matches("a password", "no hash at all")
    assert passwords._slots(1).acquire(blocking=False)
    passwords._slots(1).release()


def test_nobodys_hash_matches_nothing(app: Flask) -> None:
    with app.app_context():
        assert not passwords.matches("nobody has this password", None)


@pytest.mark.usefixtures("clean")
def test_nobody_waits_for_ever_to_be_hashed(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(ARGON2_CONCURRENCY="3")
    monkeypatch.setattr(passwords, "SLOT_WAIT_SECONDS", 0)
    with app.app_context(), ExitStack() as taken:
        for _ in range(3):
            taken.enter_context(passwords._slot())
        login = {"email": "a@example.com", "password": "whatever"}
        refused = app.test_client().post("/auth/login", json=login)
    assert (refused.status_code, refused.json["code"]) == (503, "hashing-busy")
    assert refused.headers["Retry-After"] == "1"
