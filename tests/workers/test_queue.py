"""Handing over: to Celery or to the process itself, with nobody waiting for either."""

import base64
import json
import os
import signal
import socket
import ssl
from io import StringIO
from queue import Queue
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from redis import Redis

from app import config, queue
from app.errors import DatabaseAway
from app.local.processes import wait_until
from app.local.server import LOOPBACK
from app.local.valkey import Valkey
from app.queue import Imports
from app.queue.broker import ANSWER_SECONDS, Away, send
from app.queue.broker import celery as speaking
from tests.own_valkey import full
from tests.post_office import logged
from tests.serving import served
from tests.workers.conftest import Made
from tests.workers.pretended import Pretended

PATIENCE = 60
AT_ONCE = 0.5


def hand_over(app: Flask, *import_ids: UUID) -> float:
    """How long it took."""
    began_at = monotonic()
    with app.app_context():
        for import_id in import_ids:
            queue.hand_over(import_id)
    return monotonic() - began_at


def events(lines: StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in lines.getvalue().splitlines()]


def came_to(redis: "Redis[bytes]", messages: int) -> bool:
    return wait_until(lambda: redis.llen("loans") == messages, PATIENCE)


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def hung_up(listener: socket.socket) -> bool:
    """Whether somebody called, and got no answer."""
    try:
        caller, _ = listener.accept()
    except TimeoutError:
        return False
    caller.close()
    return True


def test_what_is_handed_over_becomes_a_message(service: Flask, broker: "Redis[bytes]") -> None:
    import_id = uuid4()
    hand_over(service, import_id)
    assert came_to(broker, 1)
    message = json.loads(broker.lindex("loans", 0) or b"")
    arguments, options, _ = json.loads(base64.b64decode(message["body"]))
    assert (message["headers"]["task"], arguments, options) == (
        "import_customers",
        [str(import_id)],
        {},
    )
    assert message["content-type"] == "application/json"


def test_what_is_said_to_the_broker_never_runs_out_of_itself(
    service: Flask, broker: "Redis[bytes]"
) -> None:
    """Under volatile-lru, what has no end is not given up for the cache."""
    hand_over(service, uuid4())
    assert came_to(broker, 1)
    assert {broker.ttl(key) for key in broker.scan_iter()} == {-1}


def test_with_the_broker_away_nobody_waits_and_the_log_says_so_once(made: Made) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(AT_ONCE)
        app = made(USE_CELERY="true", CELERY_BROKER_URL=f"redis://{LOOPBACK}:{port_of(listener)}/0")
        with logged() as lines:
            for _ in range(3):
                assert wait_until(
                    lambda: hand_over(app, uuid4()) < AT_ONCE and hung_up(listener), PATIENCE
                )
            app.extensions["queue"].close()
    assert events(lines) == ["the broker is away, and imports wait"]


def test_with_a_broker_that_hangs_nobody_waits(made: Made, valkey: Valkey) -> None:
    app = made(USE_CELERY="true", CELERY_BROKER_URL=valkey.url)
    valkey.pause()
    assert hand_over(app, uuid4(), uuid4()) < AT_ONCE
    began_at = monotonic()
    app.extensions["queue"].close(within=2 * ANSWER_SECONDS)
    assert monotonic() - began_at < ANSWER_SECONDS + AT_ONCE


def test_a_broker_that_refuses_is_given_up_at_once(made: Made, valkey: Valkey) -> None:
    celery = made(USE_CELERY="true", CELERY_BROKER_URL=valkey.url).extensions["queue"].celery
    valkey.stop()
    began_at = monotonic()
    with pytest.raises(Away):
        send(celery, uuid4())
    assert monotonic() - began_at < AT_ONCE


def test_a_broker_that_is_full_is_as_if_it_were_away(made: Made, valkey: Valkey) -> None:
    celery = made(USE_CELERY="true", CELERY_BROKER_URL=valkey.url).extensions["queue"].celery
    with full(valkey), pytest.raises(Away):
        send(celery, uuid4())


def test_a_broker_that_is_back_is_spoken_to_again(made: Made, valkey: Valkey) -> None:
    app = made(USE_CELERY="true", CELERY_BROKER_URL=valkey.url)
    valkey.stop()
    with logged() as lines, Redis.from_url(valkey.url) as redis:
        hand_over(app, uuid4())
        assert wait_until(lambda: bool(events(lines)), PATIENCE)
        valkey.start()
        hand_over(app, uuid4())
        assert came_to(redis, 1)
        assert wait_until(
            lambda: bool(hand_over(app, uuid4())) and len(events(lines)) > 1, PATIENCE
        )
    assert events(lines) == ["the broker is away, and imports wait", "the broker is back"]


def test_without_celery_the_process_goes_on_with_what_it_was_handed(
    made: Made, imports: Pretended, broker: "Redis[bytes]"
) -> None:
    import_id = imports.make()
    assert hand_over(made(), import_id) < AT_ONCE
    assert imports.is_done(import_id)
    assert broker.keys("loans") == []


def test_without_celery_what_nobody_attends_is_swept_up(made: Made, imports: Pretended) -> None:
    lost = [imports.make() for _ in range(3)]
    made().extensions["queue"].wake()
    assert imports.is_done(*lost)


def test_what_two_processes_are_handed_is_done_once(made: Made, imports: Pretended) -> None:
    import_ids = [imports.make() for _ in range(3)]
    for app in (made(), made()):
        hand_over(app, *import_ids, *import_ids)
    assert imports.is_done(*import_ids)
    assert {imports[import_id]["claims"] for import_id in import_ids} == {1}


def test_a_process_that_ends_stops_at_a_checkpoint_and_begins_nothing_more(
    made: Made, imports: Pretended
) -> None:
    app = made()
    first, second = imports.make(is_held=True), imports.make()
    hand_over(app, first, second)
    assert imports.is_begun(first)
    app.extensions["queue"].close(within=PATIENCE)
    assert (imports[first]["claims"], imports[first]["leased_until"]) == (1, None)
    assert imports[second]["calls"] == 0


def test_an_import_that_fails_holds_no_other_up(made: Made) -> None:
    app, bad, good, done = made(), uuid4(), uuid4(), Queue[UUID]()

    def carry_on(import_id: UUID, _: object) -> None:
        if import_id == bad:
            raise ValueError("of the import")
        done.put(import_id)

    queue.offer(app, Imports(carry_on, tuple))
    with logged() as lines:
        hand_over(app, bad, good)
        assert done.get(timeout=PATIENCE) == good
    (told,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (told["event"], told["import"]) == ("an import came to a halt", str(bad))


def test_a_database_that_is_away_is_left_to_requests_to_tell(made: Made) -> None:
    app, asked = made(), Queue[None]()

    def unattended() -> list[UUID]:
        asked.put(None)
        raise DatabaseAway

    queue.offer(app, Imports(lambda *_: None, unattended))
    with logged() as lines:
        for _ in range(2):
            app.extensions["queue"].wake()
            asked.get(timeout=PATIENCE)
        app.extensions["queue"].close()
    assert events(lines) == []


def test_a_web_worker_sweeps_at_its_start_and_stops_at_a_checkpoint(
    environ: dict[str, str], imports: Pretended
) -> None:
    swept, held = imports.make(), imports.make(is_held=True)
    with served(environ, "tests.workers.service:app", workers=1) as service:
        assert imports.is_done(swept)
        assert imports.is_begun(held)
        os.kill(service.master, signal.SIGTERM)
        assert imports.come_to(lambda row: row["leased_until"] is None, held)
    assert imports[held]["done_at"] is None


def test_the_settings_alone_say_where_the_broker_is(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery would read the environment too, which is not what the settings were read from."""
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/0")
    named = {"USE_CELERY": "true", "CELERY_BROKER_URL": "redis://named/3"}
    celery = speaking(config.load({**environ, **named}))
    with celery.connection_for_write() as writing, celery.connection_for_read() as reading:
        assert (writing.hostname, writing.virtual_host) == ("named", "3")
        assert (reading.hostname, reading.virtual_host) == ("named", "3")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://h/0", None),
        ("rediss://h/0", {"ssl_cert_reqs": ssl.CERT_REQUIRED}),
        ("rediss://h/0?ssl_cert_reqs=none", {"ssl_cert_reqs": ssl.CERT_NONE}),
    ],
)
def test_a_brokers_certificate_is_looked_at_unless_told_otherwise(
    environ: dict[str, str], url: str, options: dict[str, Any] | None
) -> None:
    settings = config.load({**environ, "USE_CELERY": "true", "CELERY_BROKER_URL": url})
    with speaking(settings).connection_for_write() as connection:
        assert (connection.ssl or None) == options
