"""What a whole day leaves in the logs of web processes, a worker and commands, line by line."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.local.processes import wait_until
from app.local.server import LOOPBACK
from app.models import Role
from tests.factories import LOAN, PASSWORD, Caller, Lender
from tests.post_office import PostOffice, opened
from tests.serving import Answer, Client, Service, served
from tests.workers.running import working

ROOT = Path(__file__).parents[1]
PATIENCE = 60
EMAIL, BORROWER, PHONE = "ada@secret.example.com", "byron@household.example", "+12025550143"
WRONG, NEW, AT_THE_POST = "guessed-and-wrong", "quite-another-horse", "of-the-post-office"
NAME, EXTERNAL_ID = "Lovelace-Byron", "crm-of-nobody-else"
ODD_HEADERS = (
    ({"X-Request-ID": "\x1b[31mADMIN"}, 400),  # by gunicorn, which has a line of its own on it
    ({"X-Request-ID": "\x9b2J", "User-Agent": "\x9b2J", "X-API-Key": f"lk_\x9b2J{BORROWER}"}, 401),
)
FILE = (
    f'--b\r\nContent-Disposition: form-data; name="file"; filename="{NAME}.csv"\r\n\r\n'
    f"{EXTERNAL_ID},100.00\n{BORROWER},-1\r\n--b--\r\n"
)
COMMANDS = (
    ("create-admin", "--email", f"new-{EMAIL}", "--password", PASSWORD),
    ("create-admin", "--email", EMAIL, "--password", PASSWORD),
    ("forget-expired",),
    ("verify-books",),
    ("send-notices",),
)


class Day:
    """One day's work, and what of it must not be found again."""

    def __init__(self, service: Service, ada: Caller) -> None:
        self._service = service
        self._ada = ada
        self.secrets = [PASSWORD, WRONG, NEW, AT_THE_POST, "secret.example", "household.example"]
        self.secrets += [BORROWER, PHONE[1:], NAME, EXTERNAL_ID, "eyJ", "$argon2", "25000.00"]

    def passes(self) -> None:
        with self._service.client(self._ada.headers) as client:
            self._people_come_in(client)
            loan = self._loans_are_made(client)
            self._nothing_is_found(client, loan)
        for headers, status in ODD_HEADERS:
            assert self._sent_oddly(headers).status == status
        assert self._imported().status == 202

    def _people_come_in(self, client: Client) -> None:
        with self._service.client() as anybody:
            pair = anybody.post("/auth/login", {"email": EMAIL, "password": PASSWORD}).json
            for who in (EMAIL, BORROWER):
                guess = {"email": who, "password": WRONG}
                assert anybody.post("/auth/login", guess).status == 401
        self.secrets += [token.split(".")[2] for token in pair.values() if "." in str(token)]
        refresh = {"Authorization": f"Bearer {pair['refresh_token']}"}
        for status in (200, 401):
            with self._service.client(refresh) as holder:
                assert holder.post("/auth/refresh").status == status
        made = client.post("/auth/api-keys", {"name": NAME, "role": "officer"}).json
        self.secrets.append(made["key"])
        with self._service.client({"X-API-Key": made["key"]}) as program:
            assert program.get(f"/customers/?q={BORROWER}").status == 200
        changed = {"current_password": PASSWORD, "new_password": NEW}
        taken = {"email": EMAIL, "password": WRONG}
        assert client.post("/auth/register", taken).status == 409
        assert client.post("/auth/users/me/password", changed).status == 204

    def _loans_are_made(self, client: Client) -> dict[str, Any]:
        person = {"first_name": "Ada", "last_name": NAME, "email": BORROWER, "phone": PHONE}
        customer = client.post("/customers/", {**person, "external_id": EXTERNAL_ID})
        assert client.post("/customers/", person).status == 409
        asked = {**LOAN, "customer_id": customer.json["id"]}
        loan: dict[str, Any] = client.post("/loans/", asked).json
        assert client.post("/loans/", {**asked, "amount": "5000000.01"}).status == 201  # flagged
        assert client.post(f"/loans/{loan['id']}/activate").status == 200
        pay = {"customer_id": customer.json["id"], "total_amount": "25000.00"}
        assert client.post("/payments/", pay, key=WRONG).status == 201
        return loan

    def _nothing_is_found(self, client: Client, loan: Mapping[str, Any]) -> None:
        assert client.get(f"/customers/{EXTERNAL_ID}/balance").status == 200
        assert client.get(f"/customers/export?q={BORROWER}").status == 200
        assert client.get(f"/{EMAIL}/{WRONG}").status == 404
        assert client.send("PATCH", f"/loans/{loan['id']}", {"income": NAME}).status == 422
        assert client.post("/customers/", {BORROWER: BORROWER}).status == 422

    def _sent_oddly(self, headers: Mapping[str, str]) -> Answer:
        """With what would steer a terminal in each place that a client fills."""
        with self._service.client(headers) as client:
            return client.get(f"/customers/%1b%5b31m?q=%0d%0a{BORROWER}")

    def _imported(self) -> Answer:
        connection = http.client.HTTPConnection(LOOPBACK, self._service.port, timeout=PATIENCE)
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        connection.request("POST", "/customers/imports", FILE, {**self._ada.headers, **form})
        response = connection.getresponse()
        answer = Answer(response.status, {}, response.read())
        connection.close()
        return answer


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.ADMIN, email=EMAIL)


@pytest.fixture
def post_office() -> Iterator[dict[str, str]]:
    """One that refuses our password, which is the most there is to tell of it."""
    with opened(PostOffice(), login=("us", "another")) as settings:
        yield {**settings, "SMTP_USERNAME": "us", "SMTP_PASSWORD": AT_THE_POST}


def commanded(environ: Mapping[str, str]) -> str:
    """What each command writes to its log."""
    flask = (sys.executable, "-m", "flask", "--app", "wsgi")
    done = [
        subprocess.run(
            [*flask, *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
        )
        for words in COMMANDS
    ]
    return "".join(
        line for each in done for line in each.stderr.splitlines(True) if line.startswith("{")
    )


def is_imported(environ: Mapping[str, str]) -> bool:
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        asked = "SELECT count(*) FROM customer_imports WHERE status = 'COMPLETED'"
        return connection.execute(asked).fetchone() == (1,)


def has_tried_to_mail(*logs: Path) -> bool:
    return any("no mail goes" in log.read_text() for log in logs)


def test_a_days_lines_name_nobody_open_nothing_and_steer_no_terminal(
    environ: dict[str, str], ada: Caller, post_office: dict[str, str]
) -> None:
    asked = {**environ, **post_office, "USE_CELERY": "true", "LOG_LEVEL": "DEBUG"}
    with served(asked) as service, working(asked, "--beat", app="celery_app") as worker:
        day = Day(service, ada)
        day.passes()
        assert wait_until(lambda: is_imported(environ), PATIENCE)
        assert wait_until(lambda: has_tried_to_mail(service.log, worker.log), PATIENCE)
        os.kill(service.workers()[0], signal.SIGKILL)
        assert wait_until(lambda: "SIGKILL" in service.log.read_text(), PATIENCE)
        of_commands = commanded({**environ, **post_office, "LOG_LEVEL": "DEBUG"})
        texts = service.log.read_text(), worker.log.read_text(), of_commands
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    events = [line["event"] for line in lines]
    assert events.count("request") >= 20
    assert events.count("task") >= 3
    assert events.count("command") == len(COMMANDS)
    assert all(line["level"] and line["timestamp"] for line in lines)
    of_requests = [line for line in lines if line["event"] == "request"]
    assert {"request_id", "route", "status", "ms"} <= set.intersection(*map(set, of_requests))
    assert ada.id in {line.get("actor") for line in of_requests}
    written = "".join(texts)
    assert [secret for secret in day.secrets if secret in written] == []
    assert written.isascii()
    assert all(line.isprintable() for line in written.splitlines())
