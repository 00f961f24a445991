"""REQUIRE_ADMIN_TOTP: admins without a second factor set one up, and do nothing else."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from tests.authenticator import TOTP_PATH, Authenticator, confirmed
from tests.credentials import bearer, key_holder, log_in, refusal
from tests.factories import PASSWORD, Caller, Lender, created

REQUIRED = (403, "second-factor-required")


@pytest.fixture
def strict(make_app: Callable[..., Flask], clean: None) -> Lender:
    """A service that requires it, with its people."""
    return Lender(make_app(REQUIRE_ADMIN_TOTP="true"))


def at(lender: Lender, caller: Caller) -> Caller:
    """The same caller at another service on the same database."""
    return Caller(lender.app, caller.headers, caller.user)


def test_the_first_admin_sets_one_up_and_goes_on_in_the_same_session(strict: Lender) -> None:
    anyone = Caller(strict.app)
    user = created(anyone.post("/auth/register", {"email": "root@b.example", "password": PASSWORD}))
    assert user["role"] == "admin"
    admin = bearer(anyone, log_in(strict.app, "root@b.example").get_json()["access_token"])
    new = {"email": "ada@b.example", "password": PASSWORD}
    assert refusal(admin.post("/auth/register", new)) == REQUIRED
    secret = created(admin.post(TOTP_PATH, {"current_password": PASSWORD}))["secret"]
    assert refusal(admin.post("/auth/register", new)) == REQUIRED
    otp = {"otp": Authenticator(secret).code()}
    assert admin.post(f"{TOTP_PATH}/confirm", otp).status_code == 200
    assert created(admin.post("/auth/register", new))["role"] == "officer"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("get", "/auth/users/me", None, 200),
        ("patch", "/auth/users/me", {"nickname": "Root"}, 200),
        (
            "post",
            "/auth/users/me/password",
            {"current_password": PASSWORD, "new_password": "another horse battery"},
            204,
        ),
        ("post", TOTP_PATH, {"current_password": PASSWORD}, 201),
        ("post", "/auth/logout", None, 204),
    ],
)
def test_what_is_ones_own_stays_open(
    strict: Lender, method: str, path: str, body: Any, expected: int
) -> None:
    admin = strict.user(Role.ADMIN)
    assert getattr(admin, method)(path, body).status_code == expected


def test_a_session_is_renewed_and_stays_as_narrow(strict: Lender) -> None:
    admin = strict.user(Role.ADMIN)
    holder = bearer(admin, admin.refresh_token)
    renewed = holder.post("/auth/refresh")
    assert renewed.status_code == 200
    access = bearer(admin, renewed.get_json()["access_token"])
    assert refusal(access.get("/customers/")) == REQUIRED


@pytest.mark.parametrize("role", [Role.OFFICER, Role.APPLICANT])
def test_nobody_else_has_to_have_one(strict: Lender, role: Role) -> None:
    assert strict.user(role).get("/customers/").status_code == 200


def test_a_key_has_to_have_none(strict: Lender, admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    assert at(strict, key).get("/customers/").status_code == 200


def test_whoever_becomes_an_admin_has_to_have_one_from_then_on(
    strict: Lender, admin: Caller, officer: Caller
) -> None:
    promoted = at(strict, officer)
    assert promoted.get("/customers/").status_code == 200
    admin.patch(f"/auth/users/{officer.id}", {"role": "admin"})
    assert refusal(promoted.get("/customers/")) == REQUIRED
    admin.patch(f"/auth/users/{officer.id}", {"role": "officer"})
    assert promoted.get("/customers/").status_code == 200


def test_whose_second_factor_is_gone_has_to_set_one_up_again(strict: Lender, admin: Caller) -> None:
    other = strict.user(Role.ADMIN)
    confirmed(other)
    assert other.get("/customers/").status_code == 200
    assert admin.delete(f"/auth/users/{other.id}/totp").status_code == 204
    assert refusal(other.get("/customers/")) == REQUIRED
    app = confirmed(other)
    proof = {"current_password": PASSWORD, "otp": app.code()}
    assert other.delete(TOTP_PATH, proof).status_code == 204
    assert refusal(other.get("/customers/")) == REQUIRED


def test_an_answer_that_is_remembered_is_not_given_either(strict: Lender, admin: Caller) -> None:
    provided = strict.user(Role.ADMIN)
    confirmed(provided)
    for path in ("/loans/", "/reports/portfolio"):
        known = {"If-None-Match": provided.get(path).headers["ETag"]}
        assert provided.get(path, headers=known).status_code == 304
        assert refusal(at(strict, admin).get(path, headers=known)) == REQUIRED


def test_an_answer_to_a_key_from_before_is_not_given_either(strict: Lender, admin: Caller) -> None:
    body, key = {"external_id": "crm-1"}, {"Idempotency-Key": "before"}
    created(admin.post("/customers/", body, headers=key))
    assert refusal(at(strict, admin).post("/customers/", body, headers=key)) == REQUIRED


def test_by_default_no_admin_has_to_have_one(admin: Caller) -> None:
    assert admin.get("/auth/users").status_code == 200
