"""The log-in that leads nowhere: always the same answer, and bounded in what it costs us."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from app.db import db
from app.models import HoneypotVisit
from app.services import honeypot
from tests.console.desk import Desk
from tests.credentials import execute
from tests.factories import PASSWORD, Caller

KEPT = "SELECT count(*) FROM honeypot_visits"


def visits(app: Flask) -> int:
    return int(execute(app, KEPT)[0])


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("loans_honeypot_attempts_total", {"outcome": outcome}) or 0.0


def test_it_answers_always_alike(admin: Caller) -> None:
    client = admin.app.test_client()
    answers = set()
    for sent in (
        {"data": {"username": admin.user.email, "password": PASSWORD}},
        {"data": {"username": "root", "password": "root"}},
        {"data": {}},
        {"data": {"username": "x" * 2_000_000}},
        {"data": b"\xff\xfe\0", "content_type": "application/x-www-form-urlencoded"},
        {"data": b"no boundary", "content_type": "multipart/form-data"},
        {"json": {"username": "root"}},
    ):
        for path in ("/admin/", "/admin", "/admin/login.php", "/admin/a/b/c"):
            answer = client.post(path, **sent)
            headers = dict(answer.headers)
            headers.pop("X-Request-ID")
            answers.add((answer.status_code, answer.text, tuple(sorted(headers.items()))))
    assert len(answers) == 1
    assert next(iter(answers))[0] == 200
    assert client.get("/admin/").text == client.get("/admin/anything").text


def test_it_never_lets_anybody_in(admin: Caller) -> None:
    client = admin.app.test_client()
    answer = client.post("/admin/", data={"username": admin.user.email, "password": PASSWORD})
    assert answer.headers.getlist("Set-Cookie") == []
    assert client.get("/console/loans/").status_code == 303


def test_who_tried_is_written_down_and_the_password_never(
    admins_desk: Desk, admin: Caller, anyone: Caller
) -> None:
    agent = {"User-Agent": "curl/8\N{ESCAPE}[31m" + "x" * 500}
    form = {"username": "ro\0ot\r\n\N{RIGHT-TO-LEFT OVERRIDE}" + "y" * 500, "password": "hunter2"}
    anyone.app.test_client().post("/admin/", data=form, headers=agent)
    row = execute(anyone.app, "SELECT host(address), user_agent, name, * FROM honeypot_visits")
    address, user_agent, name = row[:3]
    assert address == "127.0.0.1"
    assert user_agent == "curl/8\N{REPLACEMENT CHARACTER}[31m" + "x" * 189
    assert name == "ro\ufffdot\ufffd\ufffd\ufffd" + "y" * 112
    assert "hunter2" not in str(row)
    page = admins_desk.get("/audit/honeypot").text
    assert "curl/8" in page
    assert "1 attempt" in page


def test_looking_is_not_written_down(anyone: Caller) -> None:
    assert anyone.get("/admin/").status_code == 200
    assert visits(anyone.app) == 0


def test_no_more_than_so_many_are_written_down_within_a_minute(
    anyone: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(honeypot, "EACH_MINUTE", 3)
    before = counted("written down"), counted("passed over")
    for _ in range(5):
        assert anyone.app.test_client().post("/admin/", data={}).status_code == 200
    assert visits(anyone.app) == 3
    assert (counted("written down") - before[0], counted("passed over") - before[1]) == (3, 2)
    execute(anyone.app, "UPDATE honeypot_visits SET at = at - interval '61 seconds'")
    anyone.app.test_client().post("/admin/", data={})
    assert visits(anyone.app) == 4


def test_many_at_once_are_no_more_than_in_turn(
    anyone: Caller, in_parallel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(honeypot, "EACH_MINUTE", 2)
    attempt = lambda: anyone.app.test_client().post("/admin/", data={}).status_code  # noqa: E731
    for _ in range(4):
        assert set(in_parallel(*[attempt] * 6)) == {200}
    assert visits(anyone.app) <= 2


def test_the_oldest_make_room(anyone: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(honeypot, "KEPT", 3)
    for number in range(5):
        anyone.app.test_client().post("/admin/", data={"username": f"name {number}"})
    with anyone.app.app_context():
        names = [
            visit.name
            for visit in db.session.scalars(select(HoneypotVisit).order_by(HoneypotVisit.at))
        ]
    assert names == ["name 2", "name 3", "name 4"]


@pytest.mark.usefixtures("clean")
def test_without_a_database_it_answers_as_ever(make_app: Callable[..., Flask], app: Flask) -> None:
    away = make_app(DATABASE_URL="postgresql://u@127.0.0.1:9/d").test_client()
    answer = away.post("/admin/", data={"username": "root"})
    assert (answer.status_code, answer.text) == (200, app.test_client().post("/admin/").text)


def test_it_can_be_somewhere_else(make_app: Callable[..., Flask]) -> None:
    client = make_app(ADMIN_HONEYPOT_URL="/wp-admin/").test_client()
    assert client.get("/wp-admin/").status_code == 200
    assert client.get("/admin/").status_code == 404


def test_an_attempt_waits_for_no_other(anyone: Caller) -> None:
    with anyone.app.app_context(), db.engine.connect() as writing:
        writing.execute(select(func.pg_advisory_lock(honeypot.LOCK)))
        assert anyone.app.test_client().post("/admin/", data={}).status_code == 200
        writing.execute(select(func.pg_advisory_unlock(honeypot.LOCK)))
    assert visits(anyone.app) == 0
