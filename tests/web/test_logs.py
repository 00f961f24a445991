"""A request's line in the log: written past the loggers, and no different from what they write."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from flask import Flask, g

from app.web import logs
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
