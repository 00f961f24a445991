"""Credentials of every kind, good ones and forged ones."""

from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db import db
from app.models import Role
from app.services import login_failures, passwords
from tests.factories import PASSWORD, Caller, created


def log_in(
    app: Flask, email: str, password: str = PASSWORD, otp: str | None = None, **kwargs: Any
) -> TestResponse:
    body = {"email": email, "password": password, **({"otp": otp} if otp else {})}
    return Caller(app).post("/auth/login", body, **kwargs)


def others_fail_meanwhile(monkeypatch: pytest.MonkeyPatch, user: Caller, times: int) -> None:
    """Have as many guesses at the user's password fail while one is matched."""
    matching = passwords.matches

    def matching_among_others(*args: Any) -> bool:
        matched = matching(*args)
        for _ in range(times):
            login_failures.add(login_failures.of_log_in(user.user.email, "127.0.0.1"))
        return matched

    monkeypatch.setattr(passwords, "matches", matching_among_others)


def session_of(user: Caller) -> tuple[Caller, Caller]:
    """A new session of the user: who holds its access token, and who holds its refresh token."""
    assert user.user is not None
    pair = log_in(user.app, user.user.email).get_json()
    return holders(user, pair)


def holders(user: Caller, pair: dict[str, Any]) -> tuple[Caller, Caller]:
    access, refresh = bearer(user, pair["access_token"]), bearer(user, pair["refresh_token"])
    return access, refresh


def bearer(user: Caller, token: str) -> Caller:
    return Caller(user.app, {"Authorization": f"Bearer {token}"}, user.user)


def key_holder(admin: Caller, role: Role) -> Caller:
    """A program with an API key of that role."""
    made = created(admin.post("/auth/api-keys", {"name": f"a key of {role}", "role": role}))
    holder = Caller(admin.app, {"X-API-Key": made["key"]})
    holder.record = made
    return holder


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, taken on trust."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def is_good(holder: Caller) -> bool:
    """Whether the credential opens anything now."""
    status = holder.get("/customers/").status_code
    assert status in (200, 401)
    return bool(status == 200)


def execute(app: Flask, statement: str, **values: Any) -> Any:
    """Run a statement behind the service's back; its first row, if it answers any."""
    with app.app_context(), db.engine.connect() as connection:
        result = connection.execute(text(statement), values)
        return result.first() if result.returns_rows else None


def refusal(response: TestResponse) -> tuple[int, str]:
    """The status and code of a refusal, which must have the form that every refusal has."""
    assert response.content_type == "application/problem+json", response.get_data(as_text=True)
    problem = response.get_json()
    assert problem["status"] == response.status_code
    assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    return response.status_code, problem["code"]
