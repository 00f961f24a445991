"""Registration: who may add whom, and with which e-mail and password."""

from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from app.services import passwords
from tests.credentials import execute, log_in, refusal
from tests.factories import PASSWORD, Caller, Lender, created

NEW = {"email": "new@lender.example.com", "password": PASSWORD}


def register(caller: Caller, **values: Any) -> Any:
    return caller.post("/auth/register", {**NEW, **values})


def test_the_first_registration_becomes_admin(anyone: Caller) -> None:
    user = created(register(anyone, nickname="Root"))
    assert user == {
        "id": user["id"],
        "email": NEW["email"],
        "nickname": "Root",
        "role": "admin",
        "is_active": True,
        "has_totp": False,
        "created_at": user["created_at"],
        "last_login_at": None,
    }


def test_a_registration_says_where_the_user_is_found(admin: Caller) -> None:
    response = register(admin)
    location = response.headers["Location"]
    assert location == f"/auth/users/{response.get_json()['id']}"
    assert admin.get(location).get_json() == response.get_json()


def test_the_first_becomes_admin_whatever_role_they_ask_for(anyone: Caller) -> None:
    assert created(register(anyone, role="applicant"))["role"] == "admin"


def test_nobody_registers_after_the_first(admin: Caller, anyone: Caller) -> None:
    assert refusal(register(anyone)) == (401, "unauthenticated")


@pytest.mark.parametrize("role", [Role.OFFICER, Role.APPLICANT])
def test_only_an_admin_registers_others(lender: Lender, role: Role) -> None:
    assert refusal(register(lender.user(role))) == (403, "admin-only")


def test_an_admin_registers_an_officer_by_default(admin: Caller) -> None:
    assert created(register(admin))["role"] == "officer"


@pytest.mark.parametrize("role", Role)
def test_an_admin_chooses_the_role(admin: Caller, role: Role) -> None:
    assert created(register(admin, role=role))["role"] == role


def test_a_registered_user_can_log_in(admin: Caller) -> None:
    register(admin)
    assert log_in(admin.app, NEW["email"]).status_code == 200


def test_self_registration_makes_applicants(admin: Caller, make_app: Callable[..., Flask]) -> None:
    anyone = Caller(make_app(ALLOW_SELF_REGISTRATION="true"))
    assert created(register(anyone))["role"] == "applicant"
    assert created(register(anyone, email="a@b.example", role="applicant"))["role"] == "applicant"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OFFICER])
def test_self_registration_grants_no_other_role(
    admin: Caller, make_app: Callable[..., Flask], role: Role
) -> None:
    anyone = Caller(make_app(ALLOW_SELF_REGISTRATION="true"))
    assert refusal(register(anyone, role=role)) == (403, "admin-only")


def test_an_officer_registers_an_applicant_where_anyone_may(
    officer: Caller, make_app: Callable[..., Flask]
) -> None:
    caller = Caller(make_app(ALLOW_SELF_REGISTRATION="true"), officer.headers)
    assert created(register(caller))["role"] == "applicant"


def test_the_first_becomes_admin_even_where_anyone_may_register(
    clean: None, make_app: Callable[..., Flask]
) -> None:
    anyone = Caller(make_app(ALLOW_SELF_REGISTRATION="true"))
    assert created(register(anyone))["role"] == "admin"
    assert created(register(anyone, email="second@b.example"))["role"] == "applicant"


def test_a_bad_credential_is_refused_even_where_none_is_needed(lender: Lender) -> None:
    forger = Caller(lender.app, {"Authorization": "Bearer made up"})
    assert refusal(register(forger)) == (401, "unauthenticated")


def test_production_has_no_admin_by_registration(
    clean: None, make_app: Callable[..., Flask]
) -> None:
    anyone = Caller(make_app(APP_ENV="production"))
    assert refusal(register(anyone)) == (401, "unauthenticated")


def test_production_can_be_told_to_take_its_admin_from_registration(
    clean: None, make_app: Callable[..., Flask]
) -> None:
    anyone = Caller(make_app(APP_ENV="production", BOOTSTRAP_BY_REGISTRATION="true"))
    assert created(register(anyone))["role"] == "admin"


def test_of_fifty_first_registrations_one_becomes_admin(
    clean: None,
    make_app: Callable[..., Flask],
    in_parallel: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anyone = Caller(make_app(DATABASE_POOL_SIZE="50"))
    nobody_is_in, hashed = Barrier(50), passwords.hashed

    def all_hashed(password: str) -> str:
        made = hashed(password)
        nobody_is_in.wait(10)
        return made

    def attempt(number: int) -> Callable[[], Any]:
        return lambda: register(anyone, email=f"first{number}@lender.example.com")

    monkeypatch.setattr(passwords, "hashed", all_hashed)
    answers = in_parallel(*(attempt(number) for number in range(50)))
    refusals = [answer for answer in answers if answer.status_code != 201]
    assert [refusal(answer) for answer in refusals] == [(401, "unauthenticated")] * 49
    assert execute(anyone.app, "SELECT count(*), min(role) FROM users") == (1, "admin")


@pytest.mark.parametrize("name", ["new@lender", "NEW@lender", "new@LENDER"])
def test_an_e_mail_is_taken_whatever_its_case(admin: Caller, name: str) -> None:
    register(admin)
    assert refusal(register(admin, email=f"{name}.example.com")) == (409, "email-taken")


def test_of_racing_registrations_of_one_e_mail_one_wins(
    admin: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    emails = ["one@lender.example.com", "ONE@lender.example.com"] * 4
    answers = in_parallel(*(lambda e=email: register(admin, email=e) for email in emails))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


@pytest.mark.parametrize(
    "email",
    ["", "nobody", "@b.example", "a b@c.example", "a@b.example\r\nX: y", None, 7, ["a@b.c"]],
)
def test_what_is_no_e_mail_is_refused(admin: Caller, email: Any) -> None:
    response = register(admin, email=email)
    assert refusal(response) == (422, "invalid")
    assert list(response.get_json()["errors"]) == ["email"]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("7 chars", "weak-password"),
        ("x" * 129, "invalid"),
        ("NEW@lender.example.com", "weak-password"),
        ("", "invalid"),
        ("nul \0 inside", "invalid"),
        (None, "invalid"),
        (12345678, "invalid"),
    ],
)
def test_a_poor_password_is_refused(admin: Caller, password: Any, code: str) -> None:
    assert refusal(register(admin, password=password)) == (422, code)


@pytest.mark.parametrize("password", ["8 chars.", "x" * 128, "пароль из слов", "  spaces  count  "])
def test_a_password_of_any_characters_is_kept_as_it_is(admin: Caller, password: str) -> None:
    created(register(admin, password=password))
    assert log_in(admin.app, NEW["email"], password).status_code == 200
    assert log_in(admin.app, NEW["email"], password.strip() + "!").status_code == 401


def test_the_least_length_of_a_password_is_configurable(
    admin: Caller, make_app: Callable[..., Flask]
) -> None:
    caller = Caller(make_app(PASSWORD_MIN_LENGTH="20"), admin.headers)
    assert refusal(register(caller, password="x" * 19)) == (422, "weak-password")
    assert register(caller, password="x" * 20).status_code == 201


@pytest.mark.parametrize("environment", ["staging", "production"])
@pytest.mark.parametrize("password", ["password1", "Password1", "qwertyuiop"])
def test_strangers_environments_refuse_common_passwords(
    admin: Caller, make_app: Callable[..., Flask], environment: str, password: str
) -> None:
    caller = Caller(make_app(APP_ENV=environment), admin.headers)
    assert refusal(register(caller, password=password)) == (422, "weak-password")


def test_a_laptop_allows_common_passwords(admin: Caller) -> None:
    assert register(admin, password="password1").status_code == 201


@pytest.mark.parametrize(
    "field", ["id", "is_active", "is_admin", "created_at", "last_login_at", "password_hash"]
)
def test_nothing_else_can_be_set_by_registering(anyone: Caller, field: str) -> None:
    response = register(anyone, **{field: True})
    assert refusal(response) == (422, "invalid")
    assert list(response.get_json()["errors"]) == [field]


def test_a_refused_registration_leaves_nothing(admin: Caller) -> None:
    before = execute(admin.app, "SELECT (SELECT count(*) FROM users), count(*) FROM audit_events")
    register(admin, email=admin.user.email)
    register(admin, password="short")
    after = execute(admin.app, "SELECT (SELECT count(*) FROM users), count(*) FROM audit_events")
    assert after == before


def test_a_password_is_stored_as_an_argon2id_hash(anyone: Caller) -> None:
    register(anyone)
    (stored,) = execute(anyone.app, "SELECT password_hash FROM users")
    assert stored.startswith("$argon2id$")


def create_admin(app: Flask, email: str, password: str = PASSWORD) -> Any:
    with app.app_context():
        return app.test_cli_runner().invoke(
            args=["create-admin", "--email", email, "--password", password]
        )


def test_the_command_line_makes_an_admin_in_production(
    clean: None, make_app: Callable[..., Flask]
) -> None:
    app = make_app(APP_ENV="production")
    result = create_admin(app, "root@lender.example.com")
    assert (result.exit_code, result.output) == (0, "root@lender.example.com is an admin.\n")
    pair = log_in(app, "root@lender.example.com").get_json()
    caller = Caller(app, {"Authorization": f"Bearer {pair['access_token']}"})
    assert caller.get("/auth/users/me").get_json()["role"] == "admin"


def test_an_admin_of_the_command_line_is_on_record_as_such(anyone: Caller) -> None:
    create_admin(anyone.app, "root@lender.example.com")
    assert execute(anyone.app, "SELECT action, actor_kind FROM audit_events") == (
        "user.registered",
        "console",
    )


@pytest.mark.parametrize(
    ("email", "password", "message"),
    [
        ("nobody", PASSWORD, "email: Not a valid e-mail address."),
        ("a@b.example", "short", "A password has 8 to 128 characters."),
        ("a@b.example", "x" * 129, "password: Must have 1 to 128 characters."),
        ("Taken@lender.example.com", PASSWORD, "This e-mail is already in use."),
    ],
)
def test_the_command_line_is_held_to_the_same_rules(
    lender: Lender, email: str, password: str, message: str
) -> None:
    lender.user(Role.OFFICER, email="taken@lender.example.com")
    result = create_admin(lender.app, email, password)
    assert (result.exit_code, result.output) == (1, f"Error: {message}\n")
