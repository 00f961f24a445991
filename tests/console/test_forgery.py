"""Forms of others' making: refused before anything is looked at, and nothing is done."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import LARGEST_BODY
from app.models import Role
from tests.attacks import fingerprint
from tests.console.desk import COOKIE, HOST, Desk, seated
from tests.factories import Caller, Lender

PAYMENT = {"customer": "nobody", "total_amount": "1.00"}


def posts(app: Flask) -> Iterator[Rule]:
    """Every form of the console."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("console.") and "POST" in (rule.methods or ()):
            yield rule


def media_type_of(app: Flask, rule: Rule) -> str:
    """What the form is written in."""
    has_file = app.view_functions[rule.endpoint].page.upload  # type: ignore[attr-defined]
    return "multipart/form-data" if has_file else "application/x-www-form-urlencoded"


def path_of(rule: Rule) -> str:
    """Its path below the console, of records that there are not."""
    nobody = "00000000-0000-7000-8000-000000000000"
    path = rule.rule
    for name in rule.arguments:
        path = path.replace(f"<{name}>", nobody).replace(f"<uuid:{name}>", nobody)
    return path.removeprefix("/console")


def test_there_are_forms_to_attack(app: Flask) -> None:
    assert len(list(posts(app))) > 15


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": f"http://{HOST}:8443"},
        {"Origin": f"http://{HOST}.elsewhere.example"},
        {"Origin": "null"},
        {"Origin": f"ftp://{HOST}"},
        {"Origin": "http://[::1"},
        {"Origin": "https://elsewhere.example", "Referer": f"http://{HOST}/console/"},
        {"Origin": "", "Referer": "https://elsewhere.example/console/"},
        {"Origin": ""},
    ],
)
def test_a_form_from_elsewhere_is_refused_everywhere(
    admins_desk: Desk, headers: dict[str, str]
) -> None:
    before = fingerprint(admins_desk.app)
    for rule in posts(admins_desk.app):
        kind = media_type_of(admins_desk.app, rule)
        refused = admins_desk.post(path_of(rule), PAYMENT, headers=headers, content_type=kind)
        assert refused.status_code == 403, rule.rule
        assert "was not sent from its own page" in refused.text
    assert fingerprint(admins_desk.app) == before


def test_a_form_without_its_token_is_refused_everywhere(admins_desk: Desk, admin: Caller) -> None:
    other = seated(admin.app, admin.user)
    before = fingerprint(admins_desk.app)
    for token in ("", "0" * 64, other.token(), Desk(admin.app).token()):
        for rule in posts(admins_desk.app):
            kind, form = media_type_of(admins_desk.app, rule), {**PAYMENT, "csrf": token}
            refused = admins_desk.post(path_of(rule), form, content_type=kind)
            assert refused.status_code == 403, (rule.rule, token)
    assert fingerprint(admins_desk.app) == before


def test_the_token_may_come_as_a_header(officers_desk: Desk) -> None:
    headers = {"X-CSRF-Token": officers_desk.token()}
    sent = officers_desk.post("/payments/", {**PAYMENT, "csrf": ""}, headers=headers)
    assert sent.status_code == 404
    headers = {"X-CSRF-Token": "0" * 64}
    assert officers_desk.post("/payments/", PAYMENT, headers=headers).status_code == 403


def test_where_a_browser_sends_no_origin_the_referer_is_looked_at(officers_desk: Desk) -> None:
    headers = {"Origin": "", "Referer": f"http://{HOST}/console/payments/"}
    assert officers_desk.post("/payments/", PAYMENT, headers=headers).status_code == 404


def test_behind_a_proxy_that_ends_tls_the_scheme_may_differ(officers_desk: Desk) -> None:
    headers = {"Origin": f"https://{HOST}"}
    assert officers_desk.post("/payments/", PAYMENT, headers=headers).status_code == 404


def test_a_log_in_from_elsewhere_is_refused(officer: Caller) -> None:
    """Or somebody could have a victim work in a session of the attacker's."""
    desk = Desk(officer.app, officer.user)
    form = {"email": officer.user.email, "password": "correct horse battery"}
    elsewhere = {"Origin": "https://elsewhere.example"}
    assert desk.post("/login", form, headers=elsewhere).status_code == 403
    assert desk.post("/login", {**form, "csrf": "0" * 64}).status_code == 403
    assert desk.cookie() is None


def test_a_token_of_an_ended_session_is_worth_nothing(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    token = desk.token()
    desk.post("/logout")
    desk.log_in()
    assert desk.post("/payments/", {**PAYMENT, "csrf": token}).status_code == 403


def test_a_form_of_a_session_that_has_ended_says_that_nothing_was_done(officer: Caller) -> None:
    desk = seated(officer.app, officer.user)
    token = desk.token()
    copied = desk.cookie()
    desk.post("/logout")
    assert copied
    desk.plant(copied)
    refused = desk.post("/payments/", {**PAYMENT, "csrf": token})
    assert refused.status_code == 401
    assert "Nothing was done" in refused.text


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data"])
def test_what_no_form_of_ours_sends_is_not_read(officers_desk: Desk, kind: str) -> None:
    headers = {"X-CSRF-Token": officers_desk.token(), "Origin": officers_desk.base}
    answer = officers_desk.client.post(
        "/console/payments/",
        data=b'{"customer": "a"}',
        content_type=f"{kind}; boundary=x",
        headers=headers,
        base_url=officers_desk.base,
    )
    assert answer.status_code == 415


def test_a_form_is_as_large_as_any_body(officers_desk: Desk) -> None:
    form = {**PAYMENT, "external_id": "x" * 2_000_000}
    assert officers_desk.post("/payments/", form).status_code == 413


def send_in_chunks(desk: Desk, path: str, body: bytes) -> TestResponse:
    """Send a form as gunicorn hands over one that came in chunks, without its length."""
    return desk.client.post(
        f"/console{path}",
        base_url=desk.base,
        input_stream=BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        headers={"Origin": desk.base, "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )


def test_a_form_without_a_length_is_taken_whole_or_not_at_all(
    officers_desk: Desk, customer: dict[str, Any], admin: Caller
) -> None:
    path, token = f"/customers/{customer['id']}/deposits", officers_desk.token()
    told, cut = f"csrf={token}".encode(), b"&amount=1"
    up_to_the_limit = told.ljust(LARGEST_BODY - len(cut), b"&") + cut
    refused = send_in_chunks(officers_desk, path, up_to_the_limit + b"23456")
    assert refused.status_code == 413
    account = f"/customers/{customer['id']}/account"
    assert admin.get(account).get_json()["balance"] == "0.00"
    assert send_in_chunks(officers_desk, path, up_to_the_limit).status_code == 303
    assert admin.get(account).get_json()["balance"] == "1.00"


def test_a_form_without_a_length_is_too_large_everywhere(admins_desk: Desk) -> None:
    before = fingerprint(admins_desk.app)
    for rule in posts(admins_desk.app):
        path = path_of(rule)
        if media_type_of(admins_desk.app, rule) != "multipart/form-data":
            body = f"csrf={admins_desk.token(path)}".encode().ljust(LARGEST_BODY + 1, b"&")
            assert send_in_chunks(admins_desk, path, body).status_code == 413, rule.rule
    assert fingerprint(admins_desk.app) == before


@pytest.mark.parametrize(
    "form",
    [
        {**PAYMENT, "status": "COMPLETED"},
        {**PAYMENT, "created_by": "me"},
        {**PAYMENT, "total_amount": ["1.00", "2.00"]},
        {**PAYMENT, "total_amount": "1.005"},
        {**PAYMENT, "total_amount": "1e3"},
        {**PAYMENT, "total_amount": "NaN"},
        {**PAYMENT, "total_amount": "-1"},
        {**PAYMENT, "external_id": "a\0b"},
        {**PAYMENT, "source": "thin air"},
        {"total_amount": "1.00"},
    ],
)
def test_what_the_api_refuses_is_refused_in_a_form(
    officers_desk: Desk, form: dict[str, Any]
) -> None:
    before = fingerprint(officers_desk.app)
    assert officers_desk.post("/payments/", form).status_code == 422
    assert fingerprint(officers_desk.app) == before


def test_a_planted_visit_is_no_way_round_where_strangers_are(
    make_app: Callable[..., Flask], lender: Lender
) -> None:
    """A neighbouring host may set a cookie for this one, but none of that name."""
    app = make_app(APP_ENV="production", SECRET_KEY="k" * 40)
    desk = Desk(app, lender.user(Role.OFFICER).user)
    mine = desk.token()
    desk.client.set_cookie("console-visit", "planted", domain=HOST)
    desk.client.set_cookie(COOKIE, "planted", domain=HOST)
    assert desk.token() == mine
