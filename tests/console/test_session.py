"""The console's session: who gets in, how long they stay, and what ends it at once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app.models import Role
from tests.attacks import good_form
from tests.console.desk import HOST, Desk, seated, told, way_back
from tests.credentials import execute
from tests.factories import PASSWORD, Caller, Lender

SESSIONS = "SELECT count(*) FROM login_sessions WHERE user_id = :id AND ended_at IS NULL"


def is_in(desk: Desk) -> bool:
    status = desk.get("/loans/").status_code
    assert status in (200, 303)
    return status == 200


def open_sessions(user: Caller) -> int:
    return int(execute(user.app, SESSIONS, id=user.id)[0])


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OFFICER])
def test_staff_come_in(lender: Lender, role: Role) -> None:
    assert is_in(seated(lender.app, lender.user(role).user))


def test_a_stranger_is_led_to_the_log_in_and_back(app: Flask, officer: Caller) -> None:
    desk = Desk(app, officer.user)
    asked = desk.get("/loans/?status=ACTIVE&page=2")
    assert asked.status_code == 303
    there = way_back(asked)
    assert there == "/console/loans/?status=ACTIVE&page=2"
    assert desk.log_in(next=there).location == there


@pytest.mark.parametrize(
    "there",
    [
        *("https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "/loans/"),
        *(
            "/console//elsewhere.example",
            "/console/\\..",
            "/console/\r\nSet-Cookie: a=b",
            "javascript:a",
        ),
    ],
)
def test_the_log_in_leads_nowhere_else(app: Flask, admin: Caller, there: str) -> None:
    answer = Desk(app, admin.user).log_in(next=there)
    assert answer.status_code in (303, 422)
    assert answer.headers.get("Location", "/console/") == "/console/"


def test_a_scripts_request_is_led_to_the_log_in_as_a_whole_page(app: Flask, clean: None) -> None:
    answer = Desk(app).get("/customers/?q=a", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["HX-Redirect"].startswith("/console/login?next=")


def test_a_wrong_password_is_told_alike_whoever_it_is_of(lender: Lender) -> None:
    gone = lender.user(Role.OFFICER, is_active=False)
    pages = set()
    for email, password in (
        (lender.user(Role.ADMIN).user.email, "wrong"),
        ("nobody@lender.example.com", PASSWORD),
        (gone.user.email, PASSWORD),
        (lender.user(Role.APPLICANT).user.email, "wrong"),
    ):
        desk = Desk(lender.app)
        answer = desk.post("/login", {"email": email, "password": password})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"]
        pages.add(answer.text.replace(email, "").replace(desk.token(), ""))
        assert not is_in(desk)
    assert len(pages) == 1


def test_an_applicant_is_told_kindly_and_gets_no_session(applicant: Caller) -> None:
    before = open_sessions(applicant)
    desk = Desk(applicant.app, applicant.user)
    answer = desk.log_in()
    assert answer.status_code == 403
    assert "The console is for officers" in answer.text
    assert desk.cookie() is None
    assert open_sessions(applicant) == before


def test_an_applicant_costs_the_same_time_as_anybody(
    applicant: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash, as everybody's: what is refused after it takes no time to speak of."""
    from app.services import passwords

    hashed: list[Any] = []
    matches = passwords.matches
    monkeypatch.setattr(
        passwords, "matches", lambda *given: (hashed.append(given), matches(*given))[1]
    )
    Desk(applicant.app, applicant.user).log_in()
    Desk(applicant.app, applicant.user).log_in("wrong")
    assert len(hashed) == 2


def test_a_right_password_of_an_applicants_among_too_many_wrong_ones_is_not_told(
    make_app: Callable[..., Flask], applicant: Caller
) -> None:
    """What is said of the role would else say that the guess was right."""
    app = make_app(LOGIN_FAILURES_ALLOWED="2")
    for _ in range(2):
        assert Desk(app, applicant.user).log_in("wrong").status_code == 401
    refused = Desk(app, applicant.user).log_in()
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "The console is for officers" not in refused.text


def test_failures_are_counted_with_those_of_the_api(
    make_app: Callable[..., Flask], officer: Caller
) -> None:
    app = make_app(LOGIN_FAILURES_ALLOWED="2")
    Desk(app, officer.user).log_in("wrong")
    wrong = {"email": officer.user.email, "password": "wrong"}
    assert Caller(app).post("/auth/login", wrong).status_code == 401
    assert Desk(app, officer.user).log_in().status_code == 429


def test_the_password_is_not_shown_again(officer: Caller) -> None:
    answer = Desk(officer.app, officer.user).log_in("a secret guess")
    assert "a secret guess" not in answer.text
    assert officer.user.email in answer.text


def test_every_log_in_has_a_session_of_its_own(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    former = desk.cookie()
    assert former
    assert desk.log_in().status_code == 303
    assert desk.cookie() != former
    thief = Desk(officer.app)
    thief.plant(former)
    assert not is_in(thief)


def test_a_session_planted_before_the_log_in_is_worth_nothing(
    lender: Lender, officer: Caller
) -> None:
    thief = seated(lender.app, lender.user(Role.OFFICER).user)
    planted = thief.cookie()
    assert planted
    victim = Desk(lender.app, officer.user)
    victim.plant(planted)
    assert victim.log_in().status_code == 303
    assert victim.cookie() != planted
    assert officer.user.email not in thief.get("/me/").text
    assert not is_in(thief)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "a.b",
        "WyJhIiwiYiJd.x",
        "W10.",
        "bnVsbA.x",
        "\N{SNOWMAN}".encode().hex(),
        "." * 3_000,
    ],
)
def test_a_cookie_of_somebodys_making_opens_nothing(app: Flask, clean: None, value: str) -> None:
    desk = Desk(app)
    desk.plant(value)
    assert not is_in(desk)


def test_no_access_token_and_no_other_signature_is_a_cookie(admin: Caller) -> None:
    from app.console import session

    (its_own,) = execute(
        admin.app, "SELECT id FROM login_sessions WHERE user_id = :id", id=admin.id
    )
    with admin.app.app_context():
        other = session.signer("console told").dumps([admin.id, str(its_own)])
    for value in (admin.token, admin.refresh_token, str(other)):
        desk = Desk(admin.app)
        desk.plant(value)
        assert not is_in(desk)


def test_a_cookie_whose_signature_was_changed_opens_nothing(officers_desk: Desk) -> None:
    cookie = officers_desk.cookie()
    assert cookie
    said, _, signature = cookie.rpartition(".")
    for other in ("", "A" * len(signature), signature[:-2]):
        officers_desk.plant(f"{said}.{other}")
        assert not is_in(officers_desk)
    officers_desk.plant(cookie)
    assert is_in(officers_desk)


def test_the_cookie_is_no_credential_of_the_api(admins_desk: Desk) -> None:
    assert admins_desk.client.get("/loans/", base_url=admins_desk.base).status_code == 401


def test_logging_out_ends_the_session_wherever_its_cookie_got_to(officers_desk: Desk) -> None:
    copied = officers_desk.cookie()
    assert copied
    assert officers_desk.post("/logout").location == "/console/login"
    assert officers_desk.cookie() is None
    officers_desk.plant(copied)
    assert not is_in(officers_desk)


def test_disabling_a_user_counts_from_the_next_page_on(admin: Caller, officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    assert admin.patch(f"/auth/users/{officer.id}", {"is_active": False}).status_code == 200
    assert not is_in(desk)


def test_a_demotion_counts_from_the_next_page_on(admin: Caller, lender: Lender) -> None:
    other = lender.user(Role.ADMIN)
    desk = seated(other.app, other.user)
    assert desk.get("/users/").status_code == 200
    admin.patch(f"/auth/users/{other.id}", {"role": "officer"})
    assert desk.get("/users/").status_code == 403
    assert is_in(desk)
    admin.patch(f"/auth/users/{other.id}", {"role": "applicant"})
    assert desk.get("/loans/").status_code == 403


def test_a_new_password_ends_the_other_sessions(officer: Caller) -> None:
    here, there = (seated(officer.app, officer.user) for _ in range(2))
    form = {"current_password": PASSWORD, "new_password": "another " + PASSWORD}
    assert told(here, here.post("/me/password", form))
    assert is_in(here)
    assert not is_in(there)


def test_a_wrong_current_password_changes_nothing(officers_desk: Desk) -> None:
    form = {"current_password": "wrong", "new_password": "another " + PASSWORD}
    refused = officers_desk.post("/me/password", form)
    assert refused.status_code == 422
    assert "The current password is not right" in refused.text
    assert seated(officers_desk.app, officers_desk.user)


def ends_at(user: Caller) -> datetime:
    found = execute(
        user.app,
        "SELECT expires_at FROM login_sessions WHERE user_id = :id ORDER BY id DESC LIMIT 1",
        id=user.id,
    )
    return datetime.astimezone(found[0], UTC)


def age(user: Caller, *, since: str, until: str) -> None:
    execute(
        user.app,
        f"UPDATE login_sessions SET created_at = now() - interval '{since}', "  # noqa: S608
        f"expires_at = now() + interval '{until}' WHERE id IN "
        "(SELECT id FROM login_sessions WHERE user_id = :id ORDER BY id DESC LIMIT 1)",
        id=user.id,
    )


def test_a_session_ends_half_an_hour_after_its_last_use(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    half_an_hour = datetime.now(UTC) + timedelta(minutes=30)
    assert abs(ends_at(officer) - half_an_hour) < timedelta(seconds=30)
    age(officer, since="20 minutes", until="10 minutes")
    assert is_in(desk)
    assert abs(ends_at(officer) - half_an_hour) < timedelta(seconds=30)
    age(officer, since="20 minutes", until="-1 second")
    assert not is_in(desk)


def test_use_is_noted_once_a_minute(officer: Caller, sent: list[str]) -> None:
    desk = seated(officer.app, officer.user)
    age(officer, since="1 minute", until="29 minutes 30 seconds")
    sent.clear()
    assert is_in(desk)
    assert not [each for each in sent if each.startswith("UPDATE login_sessions")]


def test_a_page_that_asks_on_its_own_is_no_use(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    watched = officer.post("/customers/imports", data=good_form()).json["id"]
    age(officer, since="20 minutes", until="10 minutes")
    before = ends_at(officer)
    polled = desk.get(f"/imports/{watched}/progress", headers={"HX-Request": "true"})
    assert polled.status_code == 200
    assert ends_at(officer) == before
    assert desk.get(f"/imports/{watched}").status_code == 200
    assert ends_at(officer) > before


def test_however_busy_it_ends_after_a_days_work(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    age(officer, since="11 hours 50 minutes", until="5 minutes")
    assert is_in(desk)
    assert ends_at(officer) < datetime.now(UTC) + timedelta(minutes=11)


def test_the_idle_time_is_a_setting(make_app: Callable[..., Flask], officer: Caller) -> None:
    seated(make_app(CONSOLE_IDLE_MINUTES="120"), officer.user)
    assert ends_at(officer) > datetime.now(UTC) + timedelta(minutes=110)


def test_a_session_of_the_api_is_not_prolonged(officer: Caller) -> None:
    before = ends_at(officer)
    assert officer.get("/loans/").status_code == 200
    assert ends_at(officer) == before > datetime.now(UTC) + timedelta(days=29)


def cookies_of(answer: Any) -> dict[str, str]:
    return {each.partition("=")[0]: each for each in answer.headers.getlist("Set-Cookie")}


def test_the_cookie_is_for_this_host_and_for_no_script(officer: Caller) -> None:
    made = cookies_of(Desk(officer.app, officer.user).log_in())["console-session"]
    parts = {part.strip() for part in made.split(";")[1:]}
    assert parts == {"HttpOnly", "Path=/", "SameSite=Lax"}


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_where_strangers_are_the_cookies_travel_over_tls_alone(
    make_app: Callable[..., Flask], officer: Caller, environment: str
) -> None:
    app = make_app(APP_ENV=environment, SECRET_KEY="k" * 40)
    desk = Desk(app, officer.user)
    desk.client.get("/console/login", base_url=desk.base)
    visit = cookies_of(Desk(app).get("/login"))["__Host-console-visit"]
    assert {"Secure", "HttpOnly", "Path=/"} <= {part.strip() for part in visit.split(";")}
    made = cookies_of(desk.log_in())["__Host-console-session"]
    parts = {part.strip() for part in made.split(";")[1:]}
    assert parts == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert "Domain" not in made
    assert HOST not in made
    assert is_in(desk)


def test_the_log_in_is_on_record(officer: Caller, admin: Caller) -> None:
    seated(officer.app, officer.user)
    query = {"actor_id": officer.id, "action": "user.logged_in"}
    (last, *_) = admin.get("/reports/audit", query_string=query).get_json()
    assert last["address"] == "127.0.0.1"
