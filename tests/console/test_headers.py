"""What browsers are told about our pages, refusals included."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.console.desk import Desk
from tests.factories import Caller

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def policy_of(answer: Any) -> set[str]:
    return {part.strip() for part in answer.headers["Content-Security-Policy"].split(";")}


@pytest.mark.parametrize(
    ("path", "status"),
    [("/loans/", 200), ("/loans/nothing", 404), ("/nowhere", 404), ("/users/", 403), ("/", 303)],
)
def test_every_answer_of_the_console_is_protected(
    officers_desk: Desk, path: str, status: int
) -> None:
    answer = officers_desk.get(path)
    assert answer.status_code == status
    assert policy_of(answer) == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Strict-Transport-Security" not in answer.headers


def test_so_are_its_refused_forms(officers_desk: Desk) -> None:
    assert policy_of(officers_desk.post("/loans/nothing/decision", {"csrf": ""})) == POLICY
    assert policy_of(officers_desk.post("/payments/", {})) == POLICY


@pytest.mark.parametrize("path", ["/console/login", "/", "/admin/"])
def test_where_strangers_are_pages_come_over_tls_alone(
    make_app: Callable[..., Flask], path: str
) -> None:
    app = make_app(APP_ENV="staging", SECRET_KEY="k" * 40)
    answer = app.test_client().get(path)
    assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"


def test_the_landing_page_has_no_script_and_is_protected(anyone: Caller) -> None:
    page = anyone.get("/")
    assert policy_of(page) == POLICY
    assert "<script" not in page.text
    assert 'href="/console/"' in page.text


@pytest.mark.parametrize("path", ["/swagger/", "/redoc/"])
def test_the_viewers_run_our_scripts_alone(anyone: Caller, path: str) -> None:
    policy = policy_of(anyone.get(path))
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= policy
    assert not [part for part in policy if "unsafe-eval" in part]


@pytest.mark.parametrize("path", ["/login", "/nowhere"])
def test_no_page_has_script_or_style_of_its_own(officers_desk: Desk, path: str) -> None:
    text = officers_desk.get(path).text
    for forbidden in (" style=", "<style", "<script>", " onclick=", " onload=", "javascript:"):
        assert forbidden not in text
    assert text.count("<script") == text.count("<script src=")
