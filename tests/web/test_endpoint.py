"""What every answer and every refusal has in common."""

import json
import logging

import pytest

from app.web import logs
from tests.factories import Caller

PROBLEM = {"type", "title", "status", "code", "detail", "message", "request_id"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "/nowhere", 404),
        ("get", "/auth/users/not-a-uuid", 404),
        ("put", "/loans/", 405),
        ("get", "/auth/login", 405),
        ("get", "/loans/", 401),
    ],
)
def test_every_refusal_is_a_problem(anyone: Caller, method: str, path: str, status: int) -> None:
    refused = getattr(anyone, method)(path)
    assert (refused.status_code, refused.content_type) == (status, "application/problem+json")
    assert set(refused.json) == PROBLEM
    assert refused.json["status"] == status
    assert refused.json["message"] == refused.json["detail"]
    assert refused.json["request_id"] == refused.headers["X-Request-ID"]


def test_a_wrong_method_names_the_right_ones(anyone: Caller) -> None:
    allowed = anyone.put("/loans/").headers["Allow"].split(", ")
    assert set(allowed) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_a_validation_refusal_tells_each_field(officer: Caller) -> None:
    refused = officer.post("/loans/", {"customer_external_id": "x", "amount": "0", "hue": "red"})
    assert refused.status_code == 422
    assert refused.json["errors"]["amount"] == ["Must be greater than 0."]
    assert refused.json["errors"]["hue"] == ["Unknown field."]
    assert {"term_months", "purpose", "income", "expenses"} <= set(refused.json["errors"])


@pytest.mark.parametrize("path", ["/healthz?x=1", "/loans/?colour=red"])
def test_an_unknown_query_parameter_is_refused(admin: Caller, path: str) -> None:
    refused = admin.get(path)
    assert (refused.status_code, refused.json["code"]) == (422, "invalid")


def test_a_bug_tells_nothing_of_itself(
    admin: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("app"), "propagate", True)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("SELECT secret FROM vault")

    monkeypatch.setattr("app.services.loans.read_history", broken)
    answer = admin.get("/loans/any/history")
    assert answer.status_code == 500
    assert set(answer.json) == PROBLEM
    assert "secret" not in answer.text
    assert "unhandled exception" in caplog.messages


def test_a_sane_request_id_is_kept_and_another_replaced(anyone: Caller) -> None:
    kept = anyone.get("/healthz", headers={"X-Request-ID": "abc-123.x:y_z"})
    assert kept.headers["X-Request-ID"] == "abc-123.x:y_z"
    for insane in ("", "a b", "é", "x" * 129, '"; DROP'):
        made = anyone.get("/healthz", headers={"X-Request-ID": insane}).headers["X-Request-ID"]
        assert made != insane
        assert len(made) == 32


def test_head_answers_like_get_without_a_body(admin: Caller) -> None:
    loan = admin.make_loan()
    for path, status in ((f"/loans/{loan['id']}", 200), ("/loans/absent", 404)):
        answer = admin.head(path)
        assert (answer.status_code, answer.data) == (status, b"")


def test_answers_are_not_kept_by_caches(admin: Caller) -> None:
    headers = admin.get("/loans/").headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_line_of_the_log_is_one_line_of_json_whatever_was_sent(
    admin: Caller, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger("app")
    handlers, level = logger.handlers, logger.level
    logs.configure("INFO")
    try:
        sent = {"X-Request-ID": "seen-1"}
        admin.post("/auth/login", {"email": "a\x1b[31m\r\nx", "password": "hush"}, headers=sent)
        monkeypatch.setattr("app.services.loans.read_history", lambda *_, **__: 1 / 0)
        admin.get("/loans/any/history?x=hush", headers=sent)
        admin.get("/loans/any/history", headers=sent)
    finally:
        logger.handlers = handlers
        logger.setLevel(level)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == [
        "request",
        "request",
        "unhandled exception",
        "request",
    ]
    assert {line["request_id"] for line in lines} == {"seen-1"}
    assert lines[0].items() >= {"route": "/auth/login", "status": 422, "method": "POST"}.items()
    assert lines[2]["exception"][0]["exc_type"] == "ZeroDivisionError"
    text = json.dumps(lines)
    assert not any(word in text for word in ("hush", "\\u001b", admin.token))
