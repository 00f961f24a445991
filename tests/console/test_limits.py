"""The console's share of the limits: as strict as the API where secrets are guessed at."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.console.desk import Desk
from tests.factories import Caller

SECRETS = {"password", "current_password", "otp"}


def must_be_refused(answer: Any) -> None:
    assert answer.status_code == 429
    assert answer.mimetype == "text/html"
    assert "Wait, and try again." in answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit-Remaining"] == "0"


def test_log_ins_at_the_console_and_over_the_api_have_one_pace(
    make_app: Callable[..., Flask], officer: Caller
) -> None:
    app = make_app(RATELIMIT_LOGIN="3/minute")
    for _ in range(2):
        assert Desk(app, officer.user).log_in("not the password").status_code == 401
    body = {"email": officer.user.email, "password": "not the password"}
    assert Caller(app).post("/auth/login", body).status_code == 401
    must_be_refused(Desk(app, officer.user).log_in())
    assert Caller(app).post("/auth/login", body).status_code == 429


def test_a_caller_at_the_console_has_its_limit(
    make_app: Callable[..., Flask], officer: Caller
) -> None:
    app = make_app(RATELIMIT_CALLER="20/hour")
    desk = Desk(app, officer.user)
    desk.log_in()
    answers = [desk.get("/loans/") for _ in range(21)]
    assert [answer.status_code for answer in answers[:-1]] == [200] * 20
    must_be_refused(answers[-1])


def test_every_form_that_takes_a_secret_has_a_pace(app: Flask) -> None:
    taking = {
        endpoint
        for endpoint, view in app.view_functions.items()
        if (page := getattr(view, "page", None))
        and page.form
        and SECRETS & page.form().fields.keys()
        and endpoint != "console.people.create"  # who is let in by an admin, who is logged in
    }
    paced = {
        endpoint
        for endpoint, view in app.view_functions.items()
        if getattr(view, "page", None) and getattr(view, "pace", None)
    }
    assert taking == paced


@pytest.mark.parametrize("former", [True, False])
def test_a_new_secret_key_beside_the_former_ends_no_session_at_the_console(
    make_app: Callable[..., Flask], officer: Caller, former: bool
) -> None:
    before = Desk(make_app(SECRET_KEY="the first of the tests alone"), officer.user)
    before.log_in()
    assert before.get("/loans/").status_code == 200
    kept = {"SECRET_KEY_FORMER": "the first of the tests alone"} if former else {}
    after = Desk(make_app(SECRET_KEY="the second of the tests alone", **kept))
    after.plant(before.cookie() or "")
    assert (after.get("/loans/").status_code == 200) is former
