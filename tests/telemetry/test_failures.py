"""What Sentry is told: what broke and where; nothing that anybody sent, and nobody's name."""

import subprocess
import sys

import pytest

from app.models import Role
from tests.factories import PASSWORD, Caller, Lender
from tests.serving import served
from tests.telemetry.sink import sink

EMAIL = "ada@secret.example.com"


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.ADMIN, email=EMAIL)


def test_a_failure_is_told_without_what_is_anybodys(environ: dict[str, str], ada: Caller) -> None:
    with sink() as sentry:
        asked = {**environ, "SENTRY_DSN": sentry.dsn, "SOMEBODY": EMAIL, "MORE": "4,000"}
        headers = {"X-Request-ID": "of-the-failure", "Cookie": "session=of-cookies", **ada.headers}
        with (
            served(asked, "tests.telemetry.broken:app", workers=1) as service,
            service.client(headers) as client,
        ):
            assert client.get("/customers/?q=of-queries").status == 200
            answer = client.post("/auth/login?x=of-queries", {"email": EMAIL, "password": PASSWORD})
            assert answer.status == 422
            answer = client.post("/auth/login", {"email": EMAIL, "password": PASSWORD})
            assert answer.status == 500
            assert sentry.came_to(lambda: bool(sentry.events()))
    (event,) = sentry.events()
    assert event["tags"] == {
        "request_id": "of-the-failure",
        "method": "POST",
        "route": "/auth/login",
    }
    assert event["transaction"] == "/auth/login"
    assert event["environment"] == "testing"
    (raised,) = event["exception"]["values"]
    assert raised["type"] == "RuntimeError"
    assert raised["value"] == "cannot judge [masked], [masked] of the user"
    last = raised["stacktrace"]["frames"][-1]
    assert (last["function"], last["filename"]) == ("breaks", "tests/telemetry/broken.py")
    assert not {"request", "user", "extra", "contexts", "breadcrumbs", "modules"} & set(event)
    assert not {"vars"} & set(last)
    secrets = (EMAIL, "secret.example", PASSWORD, "eyJ", "$argon2", "of-cookies", "of-queries")
    assert [secret for secret in (*secrets, "4,000") if secret in sentry.text] == []


def test_what_ends_a_command_is_told(environ: dict[str, str]) -> None:
    script = "import os, wsgi; raise RuntimeError('the end of ' + os.environ['SOMEBODY'])"
    with sink() as sentry:
        ended = subprocess.run(
            [sys.executable, "-c", script],
            env={**environ, "SENTRY_DSN": sentry.dsn, "SOMEBODY": EMAIL},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 1
        assert sentry.came_to(lambda: bool(sentry.events()))
    (event,) = sentry.events()
    assert event["exception"]["values"][0]["value"] == "the end of [masked]"


def test_without_settings_nothing_of_it_is_imported(environ: dict[str, str]) -> None:
    script = (
        "import sys, wsgi\n"
        "named = ('sentry_sdk', 'opentelemetry.sdk.trace', 'pyinstrument', 'google')\n"
        "print([name for name in named if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
