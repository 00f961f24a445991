"""Second factors at the console: set up, asked for, required of admins, lost."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from tests.authenticator import Authenticator, confirmed, rest
from tests.console.desk import Desk, seated, told
from tests.console.test_matrix import rows
from tests.credentials import execute
from tests.factories import PASSWORD, Caller, Lender

AT = "/me/second-factor/"
SET_UP = f"/console{AT}"
OWN = {"current_password": PASSWORD}
# What is left to an admin who has none, beside what is open to all.
LEFT = {
    *("POST /logout", "GET /me/", "POST /me/password", "GET /me/second-factor/"),
    *("POST /me/second-factor/", "POST /me/second-factor/confirm"),
    *("POST /me/second-factor/recovery-codes", "POST /me/second-factor/end"),
}
ROW = "SELECT totp_enabled_at, recovery_digests FROM users WHERE id = :id"


def is_in(desk: Desk) -> bool:
    return desk.get("/me/").status_code == 200


def shown_codes(page: str) -> list[str]:
    return re.findall(r"<li><code>([a-z2-7-]{19})</code></li>", page)


def secret_on(page: str) -> str:
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found, page
    return found[1]


def has_one(user: Caller) -> bool:
    return execute(user.app, ROW, id=user.id)[0] is not None


def test_a_log_in_without_the_code_is_asked_for_it(officer: Caller) -> None:
    app = confirmed(officer)
    desk = Desk(officer.app, officer.user)
    assert "<details open" not in re.sub(r' class="[^"]*"', "", desk.get("/login").text)
    asked = desk.log_in()
    assert asked.status_code == 401
    assert "A one-time password is required" in asked.text
    assert "<details open" in re.sub(r' class="[^"]*"', "", asked.text)
    assert not is_in(desk)
    assert desk.log_in(otp=app.code()).status_code == 303
    assert is_in(desk)


def test_a_wrong_code_is_refused_as_a_wrong_password_and_not_shown_again(officer: Caller) -> None:
    app = confirmed(officer)
    desk = Desk(officer.app, officer.user)
    refused = desk.log_in(otp=app.wrong_code())
    assert refused.status_code == 401
    assert "Invalid Credentials" in refused.text
    assert app.wrong_code() not in refused.text
    assert not is_in(desk)


def test_a_code_opens_one_session(officer: Caller) -> None:
    app = confirmed(officer)
    code = app.code()
    assert Desk(officer.app, officer.user).log_in(otp=f" {code} ").status_code == 303
    assert Desk(officer.app, officer.user).log_in(otp=code).status_code == 401


def test_so_does_a_recovery_code(officer: Caller) -> None:
    recovery = confirmed(officer).recovery_codes[0]
    assert Desk(officer.app, officer.user).log_in(otp=recovery).status_code == 303
    assert Desk(officer.app, officer.user).log_in(otp=recovery).status_code == 401


def test_wrong_codes_at_the_log_in_are_limited(
    make_app: Callable[..., Flask], officer: Caller
) -> None:
    app = confirmed(officer)
    strict = make_app(LOGIN_FAILURES_ALLOWED="2")
    for _ in range(2):
        assert Desk(strict, officer.user).log_in(otp=app.wrong_code()).status_code == 401
    assert Desk(strict, officer.user).log_in(otp=app.code()).status_code == 429


def test_it_is_set_up_confirmed_and_ended(officer: Caller) -> None:
    here, there = (seated(officer.app, officer.user) for _ in range(2))
    made = here.post(AT, OWN)
    assert made.status_code == 200
    app = Authenticator(secret_on(made.text))
    (uri,) = re.findall(r'href="(otpauth://[^"]+)"', made.text)
    assert f"secret={app.secret}" in unescape(uri)
    assert 'src="data:image/svg+xml,%3Csvg' in made.text
    assert not has_one(officer)
    assert "One waits to be confirmed" in here.get(AT).text

    page = here.post(f"{AT}confirm", {"otp": app.code()})
    assert page.status_code == 200
    app.recovery_codes = shown_codes(page.text)
    assert len(set(app.recovery_codes)) == 10
    assert has_one(officer)
    assert is_in(here)
    assert not is_in(there)

    renewed = here.post(f"{AT}recovery-codes", {"otp": app.recovery_codes[0]})
    fresh = shown_codes(renewed.text)
    assert len(fresh) == 10
    assert not {*fresh} & {*app.recovery_codes}

    ended = here.post(f"{AT}end", {**OWN, "otp": fresh[0]})
    assert told(here, ended) == [
        "The second factor has been taken away. Your password alone opens a session."
    ]
    assert execute(officer.app, ROW, id=officer.id) == (None, None)
    assert is_in(seated(officer.app, officer.user))


def test_what_is_shown_once_is_not_shown_again(officers_desk: Desk) -> None:
    secret = secret_on(officers_desk.post(AT, OWN).text)
    assert secret not in officers_desk.get(AT).text
    refused = officers_desk.post(f"{AT}confirm", {"otp": Authenticator(secret).wrong_code()})
    assert refused.status_code == 422
    assert secret not in refused.text
    codes = shown_codes(
        officers_desk.post(f"{AT}confirm", {"otp": Authenticator(secret).code()}).text
    )
    page = officers_desk.get(AT).text
    assert "<dd>10</dd>" in page
    assert not [code for code in codes if code in page]


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("", {"current_password": "wrong"}),
        ("confirm", {"otp": None}),
        ("recovery-codes", {"otp": None}),
        ("end", {**OWN, "otp": None}),
    ],
)
def test_wrong_guesses_within_a_session_are_limited_and_change_nothing(
    make_app: Callable[..., Flask], lender: Lender, form: str, sent: dict[str, Any]
) -> None:
    """Also where the form carries the name of its one sending: a guess is counted all the same."""
    strict = make_app(LOGIN_FAILURES_ALLOWED="2")
    user = lender.user(Role.OFFICER)
    desk = seated(strict, user.user)
    app = Authenticator(secret_on(desk.post(AT, OWN).text))
    if form in ("recovery-codes", "end"):
        assert desk.post(f"{AT}confirm", {"otp": app.code()}).status_code == 200
        rest(user)
    before = execute(user.app, "SELECT * FROM users WHERE id = :id", id=user.id)
    guess = {name: value or app.wrong_code() for name, value in sent.items()}
    statuses = [
        desk.post(f"{AT}{form}", {**guess, "once": f"guess {number}"}).status_code
        for number in range(3)
    ]
    assert statuses == [422, 422, 429]
    assert execute(user.app, "SELECT * FROM users WHERE id = :id", id=user.id) == before


@pytest.mark.parametrize(
    ("is_on", "form", "sent", "why"),
    [
        (True, "", OWN, "The second factor is active already"),
        (True, "confirm", {"otp": "123456"}, "The second factor is active already"),
        (False, "confirm", {"otp": "123456"}, "There is no second factor to confirm"),
        (False, "recovery-codes", {"otp": "123456"}, "There is no second factor"),
        (False, "end", {**OWN, "otp": "123456"}, "There is no second factor"),
    ],
)
def test_a_form_of_a_page_that_has_become_outdated_says_why(
    officer: Caller, is_on: bool, form: str, sent: dict[str, str], why: str
) -> None:
    app = confirmed(officer) if is_on else None
    desk = Desk(officer.app, officer.user)
    assert desk.log_in(**({"otp": app.code()} if app else {})).status_code == 303
    refused = desk.post(f"{AT}{form}", sent)
    assert refused.status_code == 409
    assert refused.text.count(why) == 1


def test_an_admin_takes_anothers_away_and_not_their_own(admin: Caller, officer: Caller) -> None:
    confirmed(officer)
    own = confirmed(admin)
    desk = Desk(admin.app, admin.user)
    assert desk.log_in(otp=own.code()).status_code == 303
    path = f"/users/{officer.id}/second-factor/reset"
    assert desk.get("/users/").text.count("<td>on</td>") == 2
    assert "Take the second factor away" in desk.get(f"/users/{officer.id}").text
    assert "taken away" in told(desk, desk.post(path))[0]
    assert not has_one(officer)
    again = desk.post(path)
    assert (again.status_code, again.text.count("There is no second factor")) == (409, 1)
    assert "Take the second factor away" not in desk.get(f"/users/{admin.id}").text
    assert desk.post(f"/users/{admin.id}/second-factor/reset").status_code == 403
    assert has_one(admin)


@pytest.fixture
def strict(make_app: Callable[..., Flask]) -> Flask:
    """A service that requires one of its admins."""
    return make_app(REQUIRE_ADMIN_TOTP="true")


def test_where_admins_have_to_have_one_they_set_it_up_first(strict: Flask, admin: Caller) -> None:
    desk = seated(strict, admin.user)
    page = desk.get("/")
    assert (page.status_code, page.location) == (303, SET_UP)
    assert "Admins have to have a second factor" in desk.get(AT).text
    app = Authenticator(secret_on(desk.post(AT, OWN).text))
    assert desk.post(f"{AT}confirm", {"otp": app.code()}).status_code == 200
    assert desk.get("/").status_code == 200
    assert desk.get("/users/").status_code == 200
    assert "Admins have to have a second factor" not in desk.get(AT).text


def test_until_then_nothing_else_is_open_to_them(
    strict: Flask, admin: Caller, loan: dict[str, Any]
) -> None:
    desk = seated(strict, admin.user)
    places = {"ref": loan["id"], "rest": "nowhere", "entry": loan["id"]}
    closed = set()
    for row in rows():
        known = f"{row.method} {row.route}"
        if known in LEFT or row.route == "/login":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: places.get(name[1], admin.id), row.route)
        answer = desk.get(path) if row.method == "GET" else desk.post(path, {"reason": "because"})
        if row.method == "GET":
            assert (answer.status_code, answer.location) == (303, SET_UP), known
        else:
            assert answer.status_code == 403, known
            assert "An admin must set up a second factor first" in answer.text, known
        closed.add(known)
    assert len(closed) > 30
    assert execute(admin.app, "SELECT status FROM loans WHERE id = :id", id=loan["id"]) == (
        "PENDING",
    )


def test_what_is_left_to_them_is_their_own_account(strict: Flask, admin: Caller) -> None:
    left = {
        f"{row.method} {row.route}"
        for row in rows()
        if row.route.startswith("/me/") or row.route == "/logout"
    }
    assert left == LEFT
    desk = seated(strict, admin.user)
    assert desk.get("/me/").status_code == 200
    form = {"current_password": PASSWORD, "new_password": "another " + PASSWORD}
    assert desk.post("/me/password", form).status_code == 303
    assert desk.post("/logout").location == "/console/login"
    assert desk.log_in("another " + PASSWORD).status_code == 303
    assert desk.log_in("another " + PASSWORD).status_code == 303


def test_a_script_of_theirs_is_led_there_as_a_whole_page(strict: Flask, admin: Caller) -> None:
    answer = seated(strict, admin.user).get("/customers/?q=a", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["HX-Redirect"] == SET_UP


def test_nothing_of_it_is_asked_of_officers(strict: Flask, officer: Caller) -> None:
    assert seated(strict, officer.user).get("/loans/").status_code == 200
