"""What a browser is told about every answer, whatever became of the request."""

from collections.abc import Callable

import pytest
from flask import Flask

from app.web.headers import NO_PAGE, PAGE, VIEWER
from tests.attacks import Route, routes
from tests.factories import Caller

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PAGES = {"/": PAGE, "/swagger/": VIEWER, "/redoc/": VIEWER}


@pytest.mark.parametrize("route", routes(), ids=str)
def test_every_route_is_shown_by_nobody_and_guessed_at_by_no_browser(
    anyone: Caller, route: Route
) -> None:
    path = route.rule.rule.replace("<path:name>", "absent").replace("<", "").replace(">", "")
    answer = anyone.open(path, method=route.method)
    assert ALWAYS.items() <= dict(answer.headers).items()
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert policy == PAGES.get(route.rule.rule, NO_PAGE)
    assert "frame-ancestors 'none'" in policy
    assert "*" not in policy


@pytest.mark.parametrize("path", ["/nowhere", "/loans/", "/auth/login"])
def test_a_refusal_has_the_headers_too(anyone: Caller, path: str) -> None:
    answer = anyone.delete(path)
    assert answer.status_code in (404, 405)
    assert ALWAYS.items() <= dict(answer.headers).items()


def test_a_bug_has_the_headers_too(admin: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.loans.read_history", lambda *_, **__: 1 / 0)
    answer = admin.get("/loans/any/history")
    assert answer.status_code == 500
    assert ALWAYS.items() <= dict(answer.headers).items()


@pytest.mark.parametrize(
    ("environment", "told"),
    [("testing", None), ("staging", "max-age=63072000"), ("production", "max-age=63072000")],
)
@pytest.mark.parametrize("path", ["/healthz", "/redoc/"])
def test_browsers_keep_to_tls_where_strangers_are(
    make_app: Callable[..., Flask], environment: str, told: str | None, path: str
) -> None:
    app = make_app(APP_ENV=environment, SECRET_KEY="of the tests alone, " * 2)
    assert app.test_client().get(path).headers.get("Strict-Transport-Security") == told


def test_tokens_are_kept_by_no_cache(admin: Caller) -> None:
    refresh = {"Authorization": f"Bearer {admin.refresh_token}"}
    for answer in (
        admin.post("/auth/login", {"email": admin.user.email, "password": "wrong"}),
        Caller(admin.app, refresh).post("/auth/refresh"),
        admin.post("/auth/api-keys", {"name": "till", "role": "officer"}),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
