"""What logging in leaves in the log: no password, no token, no key, no e-mail."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.models import Role
from app.services import passwords
from tests.authenticator import TOTP_PATH, confirmed
from tests.credentials import bearer, key_holder, log_in, session_of
from tests.factories import PASSWORD, Caller, Lender

WRONG = "a secret that is not the password"
NEW = "another horse battery"


@pytest.fixture
def log(make_app: Callable[..., Flask]) -> Iterator[tuple[Flask, io.StringIO]]:
    """A service that logs all it has to say, and what it said."""
    app, logger = make_app(LOG_LEVEL="DEBUG"), logging.getLogger("app")
    (handler,) = logger.handlers
    assert isinstance(handler, logging.StreamHandler)
    lines = io.StringIO()
    former = handler.setStream(lines)
    yield app, lines
    handler.setStream(former)
    logger.setLevel("ERROR")


def test_no_secret_nor_e_mail_is_logged_on_any_way_in(
    clean: None, log: tuple[Flask, io.StringIO]
) -> None:
    app, lines = log
    admin = Lender(app).user(Role.ADMIN, email="ada@secret.example.com")
    _, holder = session_of(admin)
    key = key_holder(admin, Role.OFFICER)
    key.get("/customers/")
    holder.post("/auth/refresh")
    holder.post("/auth/refresh")
    log_in(app, "ada@secret.example.com", WRONG)
    log_in(app, "bob@secret.example.com", WRONG)
    admin.post("/auth/register", {"email": "ada@secret.example.com", "password": PASSWORD})
    admin.post("/auth/register", {"email": "eve@secret.example.com", "password": "short"})
    admin.get("/auth/users?q=ada@secret.example.com")
    bearer(admin, admin.token + "x").get("/auth/users/me")
    Caller(app, {"X-API-Key": key.record["key"], **admin.headers}).get("/customers/")
    admin.post("/auth/users/me/password", {"current_password": PASSWORD, "new_password": NEW})
    said = lines.getvalue()
    assert said.count('"event":"request"') >= 12
    secrets = (PASSWORD, WRONG, NEW, "secret.example", key.record["key"][11:], "eyJ", "$argon2")
    assert [secret for secret in secrets if secret in said] == []


def test_nothing_of_a_second_factor_is_logged(
    clean: None, log: tuple[Flask, io.StringIO], make_app: Callable[..., Flask]
) -> None:
    app, lines = log
    admin = Lender(app).user(Role.ADMIN, email="ada@secret.example.com")
    authenticator = confirmed(admin)
    code, wrong, recovery = (
        authenticator.code(),
        authenticator.wrong_code(),
        authenticator.recovery_codes[0],
    )
    for otp in (None, code, code, wrong, recovery, recovery, "abcd-efgh-ijkl-mnop"):
        log_in(app, "ada@secret.example.com", PASSWORD, otp)
    admin.post(f"{TOTP_PATH}/recovery-codes", {"otp": wrong})
    admin.delete(TOTP_PATH, {"current_password": PASSWORD, "otp": recovery})
    moved = make_app(LOG_LEVEL="DEBUG", SECRET_KEY="another secret of the tests, long enough")
    moved_lines = io.StringIO()
    (handler,) = logging.getLogger("app").handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(moved_lines)
    log_in(moved, "ada@secret.example.com", PASSWORD, authenticator.recovery_codes[1])
    said = lines.getvalue() + moved_lines.getvalue()
    assert said.count('"event":"request"') >= 12
    assert "another SECRET_KEY" in moved_lines.getvalue()
    assert admin.id in moved_lines.getvalue()
    secrets = (authenticator.secret, "otpauth", *authenticator.recovery_codes, "secret.example")
    assert [secret for secret in secrets if secret in said] == []
    events = [line for line in said.splitlines() if f'"{code}"' in line or f'"{wrong}"' in line]
    assert events == []


def test_no_secret_is_logged_when_something_breaks(
    clean: None, log: tuple[Flask, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, lines = log
    admin = Lender(app).user(Role.ADMIN, email="ada@secret.example.com")

    def breaks(password_hash: str) -> bool:
        raise RuntimeError("broken")

    monkeypatch.setattr(passwords, "outdated", breaks)
    assert log_in(app, "ada@secret.example.com").status_code == 500
    too_long = "$argon2" + "x" * 300
    monkeypatch.setattr(passwords, "hashed", lambda _: too_long)
    new = {"email": "eve@secret.example.com", "password": PASSWORD}
    assert admin.post("/auth/register", new).status_code == 500
    said = lines.getvalue()
    assert "broken" in said
    assert "value too long" in said
    secrets = (PASSWORD, "secret.example", "eyJ", "$argon2")
    assert [secret for secret in secrets if secret in said] == []
    assert all(json.loads(line) for line in said.splitlines())
