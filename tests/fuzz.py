"""Requests by the thousand, generated from the OpenAPI document that the service serves.

`python -m tests.fuzz` sends at least 20,000 on servers of its own, and fails on whatever the
document does not allow. The suite runs a short form of the same, always with the same seed.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from uuid import UUID

import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from app import config, create_app
from app.models import Role
from tests import figures
from tests.attacks import World
from tests.conftest import disconnect, migrate
from tests.factories import Caller
from tests.servers import start_test_servers

AVAILABLE = "ensure_resource_availability"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
    AVAILABLE,
)
# A file has no type on its way: what was to be none arrives as its text, and may be good lines.
OF_A_FILE = "violates `type` at /properties/file"
ENDS_SESSIONS = (
    "/auth/logout",
    "/auth/refresh",
    "/auth/users/{user_id}",
    "/auth/users/me/password",
    "/auth/users/me/totp/confirm",
)
GOOD_FILE = b"fuzz,100.00\n"
# Not keys: the one call that names one ends it, and then no other may stand in its place.
RECORDS = {
    "/customers/imports": "import",
    "/customers": "customer",
    "/loans": "loan",
    "/payments": "payment",
    "/auth/users": "user",
}


@dataclass
class Outcome:
    """What was sent, what came back, and what the document does not allow of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    phases: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(self.statuses.values())

    @property
    def bugs(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500)

    def add(self, other: "Outcome") -> None:
        self.statuses += other.statuses
        self.phases += other.phases
        self.failures |= other.failures


class Sender:
    """An admin who sends the requests, and another once a request may have ended the session."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller: Caller = world.admin
        self.is_fresh = True

    def token_for(self, path: str) -> str:
        if not self.is_fresh:
            self.caller = self.world.lender.user(Role.ADMIN)
        self.is_fresh = path not in ENDS_SESSIONS
        refresh_token: str = self.caller.refresh_token
        return refresh_token if path == "/auth/refresh" else self.caller.token


def fuzz(app: Flask, url: str, *, seed: int, examples: int) -> Outcome:
    """Run every phase against the service at `url`, whose database `app` shares."""
    world = World(app)
    document = f"{url}/openapi.json"
    schema = schemathesis.openapi.from_url(document, config=settings(seed, examples))
    sender = Sender(world)

    @schema.auth(refresh_interval=None)
    class Admin:
        def get(self, case: Any, _: Any) -> str:
            return sender.token_for(case.operation.path)

        def set(self, case: Any, token: str, _: Any) -> None:
            case.headers["Authorization"] = f"Bearer {token}"

    living = Living(world)

    @schema.hook
    def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> Any:
        return living.path(context.operation.path, path_parameters or {}) or None

    @schema.hook
    def map_body(context: Any, body: Any) -> Any:
        return living.body(body)

    outcome = Outcome()
    for event in from_schema(schema).execute():
        note(event, outcome)
    return outcome


def settings(seed: int, examples: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "cache": {"enabled": False},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
            "generation": {
                "max-examples": examples,
                "with-security-parameters": False,
                "database": "none",
                "no-shrink": True,
            },
        }
    )


class Living:
    """Puts the id of a living record in place of three good ids of four.

    By turns, not by the value: one phase sends the same value with every request of a route.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.turns = cycle((True, True, True, False))

    def path(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        prefix = next((prefix for prefix in RECORDS if path.startswith(prefix)), None)
        if prefix is None:
            return parameters
        record, entry = (self.world.records[name] for name in (RECORDS[prefix], "entry"))
        living = {"ref": record, "entry": entry}
        return {
            name: living.get(name, record)
            if (name in living or is_id(value)) and next(self.turns)
            else value
            for name, value in parameters.items()
        }

    def body(self, body: Any) -> Any:
        if isinstance(body, dict) and "file" in body and next(self.turns):
            return {**body, "file": GOOD_FILE}
        if isinstance(body, dict) and is_id(body.get("customer_id")) and next(self.turns):
            return {**body, "customer_id": self.world.records["customer"]}
        return body


def is_id(value: Any) -> bool:
    try:
        return bool(UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


def note(event: Any, outcome: Outcome) -> None:
    if isinstance(event, events.ScenarioFinished):
        recorder = event.recorder
        for interaction in recorder.interactions.values():
            if interaction.response is not None:
                outcome.statuses[interaction.response.status_code] += 1
                outcome.phases[event.phase.value] += 1
        for case_id, checks in recorder.checks.items():
            for check in checks:
                failed = check.failure_info
                if failed is None or OF_A_FILE in failed.failure.message:
                    continue
                if check.name == AVAILABLE and is_of_a_replay(recorder, case_id):
                    continue
                tell(outcome, recorder, case_id, check)
    elif isinstance(event, events.NonFatalError):
        outcome.failures[f"{event.label}: {event.value!r}"] = str(event.info)
    elif isinstance(event, events.FatalError):
        raise event.exception


def is_of_a_replay(recorder: Any, case_id: str) -> bool:
    """Whether what a request was to find was created once before, and may be gone since."""
    parent = recorder.find_parent(case_id=case_id)
    response = recorder.find_response(case_id=parent.id) if parent else None
    return response is not None and "idempotency-replayed" in response.headers


def tell(outcome: Outcome, recorder: Any, case_id: str, check: Any) -> None:
    """Keep one example of each kind of failure, with the request that shows it."""
    failure = check.failure_info.failure
    kind = f"{recorder.label}: {check.name}: {failure.title}"
    request = recorder.interactions[case_id].request
    response = recorder.interactions[case_id].response
    shown = response.content[:500] if response is not None else b""
    outcome.failures.setdefault(
        kind,
        f"{failure.message}\n{request.method} {request.uri} {(request.body or b'')[:500]!r}\n"
        f"{response.status_code if response is not None else '-'} {shown!r}",
    )


def main() -> int:
    """Fuzz with one seed after another until enough has been sent."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--examples", type=int, default=200, help="a route, phase and seed")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    total, seed = Outcome(), wanted.seed
    with start_test_servers() as servers:
        url = servers.create_database("loans_fuzz_test")
        migrate(url)
        environ = environment(url, servers.redis_url)
        app = create_app(config.load(environ))
        with served(environ) as base_url:
            while total.requests < wanted.requests:
                total.add(fuzz(app, base_url, seed=seed, examples=wanted.examples))
                say(f"seed {seed}: {total.requests} requests, {total.bugs} of 5xx")
                seed += 1
        disconnect(app)
        servers.drop_database("loans_fuzz_test")
    say(report(total))
    figures.report("fuzzed", requests=total.requests, bugs=total.bugs, failures=len(total.failures))
    return 1 if total.failures else 0


@contextmanager
def served(environ: dict[str, str]) -> Iterator[str]:
    """The URL of a real gunicorn with one worker, on a port of its own, until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, fd = listener.getsockname()[1], listener.fileno()
        # Queries of any length that gunicorn takes: of what it does not, the document says nothing.
        bound = ["--bind", f"fd://{fd}", "--limit-request-line", "8190"]
        gunicorn = [sys.executable, "-m", "gunicorn", *bound, "wsgi:app"]
        server = subprocess.Popen(
            gunicorn, pass_fds=[fd], env={**os.environ, **environ, "WEB_CONCURRENCY": "1"}
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def say(words: str) -> None:
    print(words, flush=True)  # noqa: T201


def environment(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "APP_ENV": "testing",
        "SECRET_KEY": "a secret of the fuzzer, long enough for HS256",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_TIMEOUT": "2",
        "ARGON2_TIME_COST": "1",
        "ARGON2_MEMORY_KIB": "8",
        "LOG_LEVEL": "ERROR",
    }


def report(outcome: Outcome) -> str:
    lines = [
        f"{outcome.requests} requests, {outcome.bugs} of 5xx, "
        f"{len(outcome.failures)} kinds of failure",
        f"statuses: {dict(sorted(outcome.statuses.items()))}",
        f"phases: {dict(outcome.phases)}",
    ]
    lines += [f"\n{kind}\n{example}" for kind, example in outcome.failures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
