"""A request's line in the log: written past the loggers, and no different from what they write."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from flask import Flask, g

from app.db import db
from app.models import Role
from app.web import logs
from tests.credentials import key_holder
from tests.factories import Caller

Configure = Callable[..., None]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Have the log written at a level; afterwards as it was."""
    loggers = [logging.getLogger(name) for name in ("app", *logs.BESIDE)]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield logs.configure
    for logger, handlers, level, propagates in before:
        logger.handlers, logger.propagate = handlers, propagates
        logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_has_the_line_that_a_logger_would_write(
    anyone: Caller, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    answer = anyone.get("/healthz", headers={"X-Request-ID": "mine"})
    (line,) = lines(capsys)
    told = {name: line.pop(name) for name in ("method", "route", "status", "ms")}
    with anyone.app.test_request_context(headers={"X-Request-ID": "mine"}):
        anyone.app.preprocess_request()
        logging.getLogger(logs.__name__).info("request", extra=told)
    (logged,) = lines(capsys)
    assert logged.items() >= told.items()
    at, logged_at = (datetime.fromisoformat(each.pop("timestamp")) for each in (line, logged))
    assert line == {name: value for name, value in logged.items() if name not in told}
    assert at.utcoffset() == logged_at.utcoffset() == timedelta()
    assert told == {"method": "GET", "route": "/healthz", "status": 200, "ms": told["ms"]}
    assert answer.headers["X-Request-ID"] == line["request_id"] == "mine"


def test_a_request_to_nowhere_has_a_line_without_a_route(
    anyone: Caller, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    anyone.get("/nowhere?secret=1")
    (line,) = lines(capsys)
    assert (line["route"], line["status"]) == (None, 404)
    assert "secret" not in json.dumps(line)


def test_above_its_level_a_request_has_no_line(
    anyone: Caller, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("WARNING")
    anyone.get("/healthz")
    assert lines(capsys) == []


@pytest.mark.parametrize("error", [OSError, ValueError])
def test_a_log_that_cannot_be_written_fails_no_request(
    anyone: Caller, configure: Configure, error: type[Exception]
) -> None:
    class Full(StringIO):
        def write(self, _: str) -> int:
            raise error

    configure("INFO")
    for handler in logging.getLogger("app").handlers:
        assert isinstance(handler, logs.Lines)
        handler.setStream(Full())
    assert anyone.get("/healthz").status_code == 200


def test_a_line_is_written_at_once(anyone: Caller, configure: Configure) -> None:
    """And not when the buffer is full, or lost with the process."""
    flushed = []

    class Buffered(StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    configure("INFO")
    for handler in logging.getLogger("app").handlers:
        assert isinstance(handler, logs.Lines)
        handler.setStream(Buffered())
    anyone.get("/healthz")
    assert flushed[-1].endswith("}\n")


def test_what_is_amiss_with_celery_is_a_line_like_ours(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    for name in ("celery.worker.consumer", "kombu.transport.redis", "multiprocessing"):
        logging.getLogger(name).info("all is well")
        logging.getLogger(name).warning("lost")
    told = [(line["logger"], line["event"], line["level"]) for line in lines(capsys)]
    assert told == [
        ("celery.worker.consumer", "lost", "warning"),
        ("kombu.transport.redis", "lost", "warning"),
        ("multiprocessing", "lost", "warning"),
    ]


def test_what_a_task_logs_carries_its_id(
    app: Flask, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    with app.app_context():
        g.task_id = "of the task"
        logging.getLogger("app.services").info("done")
    (line,) = lines(capsys)
    assert (line["task_id"], "request_id" in line) == ("of the task", False)


ODD = "line\r\nnext\x1b[31m\x7f\x9b2J\u2028\u202e\ud800 end"


def test_what_steers_a_terminal_is_written_out_on_one_line(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    logging.getLogger("app.services").warning(ODD, extra={ODD: [ODD, {"deep": ODD}]})
    written = capsys.readouterr().err
    assert written.endswith("}\n")
    assert written[:-1].isascii()
    assert written[:-1].isprintable()
    line = json.loads(written)
    assert (line["event"], line[ODD]) == (ODD, [ODD, {"deep": ODD}])


@pytest.mark.parametrize(
    "secret",
    [
        "ada.love+lace@household.example",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "lk_0123456789abcdefghijklmnopqrstuvwxyz",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
        "loans:p4ss-word",
    ],
)
def test_what_slipped_into_a_line_is_masked(
    configure: Configure, capsys: pytest.CaptureFixture[str], secret: str
) -> None:
    configure("INFO")

    class Odd:
        def __str__(self) -> str:
            return said

    said = f"of postgresql://{secret}@db/loans" if ":" in secret else f"it says {secret} and"
    logger = logging.getLogger("app.services")
    logger.warning(said, extra={"cause": said, "all": (said, {"said": said}), "odd": Odd()})
    try:
        raise ValueError(said)
    except ValueError:
        logger.exception("failed")
    written = capsys.readouterr().err
    assert secret not in written
    assert written.count("[masked]") == 6
    assert "postgresql://[masked]@db/loans" in written or "it says [masked] and" in written


def test_a_request_tells_who_asked(
    admin: Caller, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    key = key_holder(admin, Role.OFFICER)
    configure("INFO")
    for caller in (admin, key, Caller(admin.app)):
        caller.get("/customers/")
    told = [(line.get("actor"), line.get("actor_kind"), line["status"]) for line in lines(capsys)]
    assert told == [
        (admin.id, "user", 200),
        (key.record["id"], "api-key", 200),
        (None, None, 401),
    ]


def test_what_gunicorn_says_of_a_request_leaves_out_what_it_asked_for(
    configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    logging.getLogger("gunicorn.error").error(
        "Error handling request %s", "/customers/export?q=Lovelace"
    )
    (line,) = lines(capsys)
    assert line["event"] == "Error handling request /customers/export"


def test_the_pool_says_nothing_of_its_daily_round(
    make_app: Callable[..., Flask], configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    app = make_app()
    configure("INFO")
    with app.app_context():
        db.engine.dispose()
    assert lines(capsys) == []


def test_a_command_has_a_line(
    app: Flask, clean: None, configure: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("INFO")
    new = ("create-admin", "--email", "ada@household.example", "--password")
    assert app.test_cli_runner().invoke(args=["forget-expired"]).exit_code == 0
    assert app.test_cli_runner().invoke(args=[*new, "short"]).exit_code == 1
    assert app.test_cli_runner().invoke(args=["export", "loans"]).exit_code == 0
    told = [(each["command"], each["outcome"], each["ms"] > 0) for each in lines(capsys)]
    named = [("forget-expired", "done"), ("create-admin", "failed"), ("export loans", "done")]
    assert told == [(*each, True) for each in named]
