"""Redis as the service uses it: what it keeps, who computes, and what is told when it is away."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Lock, Thread
from threading import enumerate as threads
from time import monotonic, sleep
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from redis import OutOfMemoryError, Redis

from app import cache
from app.cache import Namespace, locks, release
from app.cache import near as near_module
from app.cache import server as server_module
from app.cache.near import Near
from app.cache.server import Trouble
from app.local.processes import wait_until
from app.local.valkey import Valkey
from tests.own_valkey import FOREIGN, full, spoil

THINGS = Namespace("test-things", seconds=60)
PATIENCE = 10
STALL = 3  # seconds that nobody waits for a lock that is nobody's

Parallel = Callable[..., list[Any]]


@pytest.fixture
def service(valkey: Valkey, make_app: Callable[..., Flask]) -> Flask:
    """A service on that Valkey, with the time-out of production and a log that tells of it."""
    return make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05", LOG_LEVEL="WARNING")


@pytest.fixture
def redis(valkey: Valkey) -> Iterator[Redis]:
    with Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture(autouse=True)
def _inside(service: Flask) -> Iterator[None]:
    with service.app_context():
        yield


@pytest.fixture(autouse=True)
def _far_alone(request: pytest.FixtureRequest, service: Flask) -> None:
    """Nothing is answered from nearby, unless that is what the test is about."""
    if "near" not in request.fixturenames:
        service.extensions["near_cache"] = Near(most_bytes=0)


@pytest.fixture
def near(service: Flask) -> Near:
    held: Near = service.extensions["near_cache"]
    return held


class Clock:
    """The time the breaker goes by, which stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(server_module, "monotonic", lambda: self.now)

    def rest_is_over(self) -> None:
        self.now += server_module.REST_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def key(*parts: str) -> cache.Key:
    return THINGS.key(*parts)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How the look-ups of the block came out."""

    def totals() -> Counter[str]:
        samples = {
            outcome: REGISTRY.get_sample_value(
                "loans_cache_lookups_total", {"namespace": THINGS.name, "outcome": outcome}
            )
            for outcome in ("hit", "miss", "error")
        }
        return Counter({outcome: int(value or 0) for outcome, value in samples.items()})

    before, found = totals(), Counter[str]()
    yield found
    found.update(totals() - before)


class Crowd:
    """Many who ask for one thing; whoever computes it does so until all have asked."""

    def __init__(self, valkey: Valkey, size: int, *, failures: int = 0) -> None:
        self.computed = 0
        self._url, self._size, self._failures = valkey.url, size, failures
        self._lock = Lock()
        with Redis.from_url(self._url) as redis:
            redis.config_resetstat()

    def ask(self) -> bytes | str | None:
        try:
            return cache.once(key("crowd"), self._compute)
        except ZeroDivisionError:
            return "failed"

    def _compute(self) -> bytes:
        with self._lock:
            self.computed += 1
            fails = self.computed <= self._failures
        assert wait_until(self._all_have_asked, PATIENCE)
        return b"%d" % (1 / (not fails))

    def _all_have_asked(self) -> bool:
        with Redis.from_url(self._url) as redis:
            asked: int = redis.info("commandstats")["cmdstat_eval"]["calls"]
        return asked >= self._size


def in_app(app: Flask, call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        with app.app_context():
            return call()

    return run


def test_what_was_kept_is_found() -> None:
    with counted() as outcomes:
        assert cache.find(key("a")) is None
        cache.keep(key("a"), b"1")
        cache.keep(key("b"), b"")
        assert [cache.find(key(name)) for name in "abc"] == [b"1", b"", None]
    assert outcomes == {"miss": 2, "hit": 2}


def test_a_key_holds_every_part_and_where_each_ends() -> None:
    parts = [("ab",), ("a", "b"), ("b", "a"), ("a", "b", ""), ("", "ab"), ("a", b"b"), ("a', 'b",)]
    assert len({str(THINGS.key(*each)) for each in parts}) == len(parts)
    assert THINGS.key("a") != Namespace("others", 60).key("a")


def test_nothing_is_kept_longer_than_its_namespace_says(redis: Redis) -> None:
    cache.keep(key("a"), b"1")
    cache.once(key("b"), lambda: b"2")
    assert {redis.ttl(str(key(name))) for name in "ab"} <= {THINGS.seconds, THINGS.seconds - 1}


def test_one_release_does_not_read_what_another_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep(key("a"), b"old")
    monkeypatch.setattr(release, "digest", lambda: "another")
    assert cache.find(key("a")) is None


def test_every_line_of_the_code_makes_a_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "APP", tmp_path)
    (tmp_path / "room").mkdir()
    digests = []
    for name, text in (("a.py", "1"), ("a.py", "2"), ("room/b.py", "2"), ("note.txt", "2")):
        (tmp_path / name).write_text(text)
        digests.append(release.digest.__wrapped__())
    assert len(set(digests)) == 3
    assert digests[2] == digests[3]


def test_without_a_cache_everything_is_computed_and_nothing_asked(
    valkey: Valkey, make_app: Callable[..., Flask], redis: Redis
) -> None:
    app = make_app(REDIS_URL=valkey.url, CACHE_ENABLED="false")
    redis.config_resetstat()
    with app.app_context():
        assert not cache.is_at_hand(THINGS)
        made = iter((b"1", b"2"))
        assert [cache.once(key("a"), lambda: next(made)) for _ in range(2)] == [b"1", b"2"]
        assert cache.find(key("a")) is None
    assert redis.info("commandstats").keys() <= {"cmdstat_config|resetstat", "cmdstat_info"}


def test_what_was_had_moments_ago_is_had_without_redis(near: Near, valkey: Valkey) -> None:
    with counted() as outcomes:
        assert cache.once(key("a"), lambda: b"1") == b"1"
        valkey.stop()
        assert cache.once(key("a"), lambda: b"2") == b"1"
        assert cache.once(key("b"), lambda: b"2") == b"2"
    assert outcomes == {"miss": 1, "hit": 1, "error": 1}


def test_what_was_had_a_while_ago_is_asked_for_anew() -> None:
    now = [0.0]
    near = Near(timer=lambda: now[0])
    near.keep("a", b"1")
    found = []
    for now[0] in (near_module.SECONDS - 0.1, near_module.SECONDS):
        found.append(near.find("a"))
    assert found == [b"1", None]


def test_nearby_is_room_for_so_much_alone() -> None:
    near = Near(most_bytes=1_000)
    for name, size in (("a", 500), ("b", 300), ("c", 500), ("d", 1_001)):
        near.keep(name, b"x" * size)
    found = [near.find(name) for name in "abcd"]
    assert [value and len(value) for value in found] == [None, 300, 500, None]


def test_of_many_who_ask_at_once_one_computes(
    service: Flask, make_app: Callable[..., Flask], valkey: Valkey, in_parallel: Parallel
) -> None:
    """Half of them in another process, as far as Redis can tell."""
    other = make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05")
    crowd = Crowd(valkey, 16)
    calls = [in_app(app, crowd.ask) for app in (service, other)] * 8
    with counted() as outcomes:
        assert in_parallel(*calls) == [b"1"] * 16
    assert crowd.computed == 1
    assert outcomes == {"miss": 1, "hit": 15}


def test_when_the_one_who_computes_fails_another_takes_over(
    service: Flask, valkey: Valkey, in_parallel: Parallel
) -> None:
    crowd = Crowd(valkey, 16, failures=2)
    answers = in_parallel(*[in_app(service, crowd.ask)] * 16)
    assert Counter(map(str, answers)) == {"failed": 2, str(b"1"): 14}
    assert crowd.computed == 3


def test_what_is_not_to_be_kept_is_computed_by_each() -> None:
    numbers = iter((None, None, b"3"))
    found = [cache.once(key("a"), lambda: next(numbers)) for _ in range(3)]
    assert found == [None, None, b"3"]
    assert cache.find(key("a")) == b"3"


def test_whoever_died_computing_is_waited_for_no_longer_than_a_while(
    service: Flask, redis: Redis, in_parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "WAIT_SECONDS", 0.3)
    computed: list[bytes] = []

    def compute() -> bytes:
        computed.append(b"1")
        return b"1"

    redis.set(key("a").lock, "who died", px=150)
    calls = [in_app(service, lambda: cache.once(key("a"), compute))] * 8
    assert in_parallel(*calls) == [b"1"] * 8
    assert len(computed) == 1
    redis.set(key("b").lock, "who lives on", px=3_000)
    assert cache.once(key("b"), compute) == b"1"
    assert redis.get(key("b").lock) == b"who lives on"


def test_a_lock_that_its_taker_was_never_told_of_holds_nobody_up(
    make_app: Callable[..., Flask], valkey: Valkey, redis: Redis, in_parallel: Parallel
) -> None:
    computed: list[bytes] = []

    def compute() -> bytes:
        computed.append(b"1")
        return b"1"

    take_unawares(valkey, redis)
    other = make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05")
    began_at = monotonic()
    calls = [in_app(other, lambda: cache.once(key("a"), compute))] * 8
    with counted() as outcomes:
        assert in_parallel(*calls) == [b"1"] * 8
    assert monotonic() - began_at < STALL
    assert len(computed) == 1
    assert outcomes == {"miss": 1, "hit": 7}


def take_unawares(valkey: Valkey, redis: Redis) -> None:
    """Have Redis give a lock to one who has stopped listening."""
    cache.find(key("a"))  # so that there is a connection
    valkey.pause()
    assert cache._found_or_locked(key("a"), b"1") is None  # its plain look came just before
    valkey.resume()
    assert wait_until(lambda: bool(redis.exists(key("a").lock)), PATIENCE)


def test_what_takes_longer_than_a_lock_lives_without_a_sign_is_computed_once(
    service: Flask, make_app: Callable[..., Flask], valkey: Valkey, in_parallel: Parallel
) -> None:
    computed: list[bytes] = []

    def compute() -> bytes:
        computed.append(b"1")
        sleep(2.5 * locks.LIFE_SECONDS)
        return b"1"

    other = make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05")
    calls = [in_app(app, lambda: cache.once(key("a"), compute)) for app in (service, other)] * 6
    assert in_parallel(*calls) == [b"1"] * 12
    assert len(computed) == 1


def test_only_its_holder_prolongs_a_lock(redis: Redis) -> None:
    def compute_until_the_next_is_gone() -> bytes:
        redis.set(key("a").lock, "the next", px=int(locks.LIFE_SECONDS * 600))
        assert wait_until(lambda: not redis.exists(key("a").lock), 3 * locks.LIFE_SECONDS)
        return b"1"

    assert cache.once(key("a"), compute_until_the_next_is_gone) == b"1"


def test_locks_are_prolonged_only_while_something_is_computed() -> None:
    def is_prolonging() -> bool:
        return any(each.name == "cache-locks" for each in threads())

    for _ in range(2):
        assert cache.once(key("a"), lambda: b"" if is_prolonging() else None) == b""
        assert wait_until(lambda: not is_prolonging(), PATIENCE)


@pytest.mark.parametrize("lock", [b"for ever", [b"a", b"list"]])
def test_a_lock_without_an_end_is_nobodys(lock: bytes | list[bytes], redis: Redis) -> None:
    redis.set(key("a").lock, "to be spoilt")
    spoil(redis, lock)
    assert cache.once(key("a"), lambda: b"%d" % (redis.pttl(key("a").lock) > 0)) == b"1"


def test_only_its_holder_gives_a_lock_back(redis: Redis) -> None:
    def compute_too_long() -> bytes:
        assert redis.set(key("a").lock, "the next")
        return b"1"

    cache.once(key("a"), compute_too_long)
    assert redis.get(key("a").lock) == b"the next"


def test_a_lock_ends_by_itself_and_is_gone_when_the_value_is_there(redis: Redis) -> None:
    lasts: list[int] = []

    def compute() -> bytes:
        lasts.append(redis.pttl(key("a").lock))
        return b"1"

    cache.once(key("a"), compute)
    assert 0 < lasts[0] <= locks.LIFE_SECONDS * 1000
    assert redis.keys() == [str(key("a")).encode()]


@pytest.mark.parametrize("outage", ["stop", "pause"])
def test_an_outage_is_a_miss_told_once_and_counted(
    outage: str, valkey: Valkey, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    cache.keep(key("a"), b"1")
    getattr(valkey, outage)()
    with counted() as outcomes:
        for _ in range(3):
            assert cache.find(key("a")) is None
            assert cache.once(key("c"), lambda: b"computed") == b"computed"
            assert not cache.is_at_hand(THINGS)
            clock.rest_is_over()
            assert cache.is_at_hand(THINGS)
            cache.keep(key("d"), b"1")
            assert not cache.answers()
    assert outcomes == {"error": 9}
    assert caplog.messages == ["Redis is away"]
    cause = {"stop": "refused", "pause": "Timeout"}[outage]
    assert cause in caplog.records[0].cause


@pytest.mark.parametrize("outage", ["stop", "pause"])
def test_after_an_outage_it_is_asked_again_and_told_once(
    outage: str, valkey: Valkey, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    getattr(valkey, outage)()
    cache.find(key("a"))
    valkey.start() if outage == "stop" else valkey.resume()
    clock.rest_is_over()
    for _ in range(3):
        cache.keep(key("a"), b"1")
    assert cache.find(key("a")) == b"1"
    assert caplog.messages == ["Redis is away", "Redis is back"]
    assert caplog.records[1].seconds == 1


def test_one_that_did_not_answer_is_left_alone_for_a_while(valkey: Valkey, clock: Clock) -> None:
    cache.keep(key("a"), b"1")
    valkey.pause()
    assert cache.find(key("a")) is None
    valkey.resume()
    assert cache.answers()
    assert cache.find(key("a")) is None
    clock.rest_is_over()
    assert cache.find(key("a")) == b"1"


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question(
    valkey: Valkey, clock: Clock
) -> None:
    cache.keep(key("a"), b"of a")
    cache.keep(key("b"), b"of b")
    valkey.pause()
    assert cache.find(key("a")) is None
    assert cache.once(key("b"), lambda: None) is None
    valkey.resume()
    clock.rest_is_over()
    assert cache.find(key("b")) == b"of b"
    assert cache.once(key("a"), lambda: None) == b"of a"


@pytest.mark.parametrize("value", FOREIGN, ids=repr)
def test_what_was_not_kept_there_is_a_miss_told_once_and_counted(
    value: bytes | list[bytes], redis: Redis, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    cache.keep(key("a"), b"1")
    with counted() as outcomes:
        for _ in range(2):
            spoil(redis, value)
            assert cache.find(key("a")) is None
            assert cache.once(key("a"), lambda: b"2") == b"2"
            assert cache.find(key("a")) == b"2"
    assert outcomes == {"error": 4, "hit": 2}
    assert caplog.messages == ["Redis answers what was not kept"]
    clock.rest_is_over()
    assert [cache.find(key("a")) for _ in range(2)] == [b"2", b"2"]
    assert caplog.messages[1:] == ["Redis answers what was kept"]


def test_what_was_kept_under_one_key_is_not_found_under_another(redis: Redis) -> None:
    cache.keep(key("a"), b"1")
    redis.rename(str(key("a")), str(key("b")))
    assert cache.find(key("b")) is None


def test_a_flushed_one_is_filled_anew(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.once(key("a"), lambda: b"1") == b"1"
    redis.flushall()
    redis.script_flush()
    assert cache.once(key("a"), lambda: b"2") == b"2"
    assert cache.find(key("a")) == b"2"
    assert caplog.messages == []


def test_a_restart_that_nobody_noticed_is_no_outage(
    valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    cache.keep(key("a"), b"1")
    valkey.restart()
    assert cache.once(key("a"), lambda: b"2") == b"2"
    assert caplog.messages == []


def test_a_full_one_still_answers_what_it_holds(
    valkey: Valkey, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    cache.keep(key("a"), b"1")
    with full(valkey), counted() as outcomes:
        for _ in range(3):
            assert cache.once(key("a"), lambda: b"computed") == b"1"
            assert cache.once(key("b"), lambda: b"computed") == b"computed"
            cache.keep(key("c"), b"1")
            assert [cache.find(key(name)) for name in "abc"] == [b"1", None, None]
            assert cache.is_at_hand(THINGS)
    assert outcomes == {"hit": 6, "miss": 6, "error": 3}
    assert caplog.messages == ["Redis refuses writes"]
    assert "maxmemory" in caplog.records[0].cause
    clock.rest_is_over()
    for _ in range(3):
        cache.once(key("b"), lambda: b"1")
    assert caplog.messages == ["Redis refuses writes", "Redis takes writes again"]


def test_room_for_a_lock_is_no_proof_of_room_for_a_value(
    service: Flask,
    caplog: pytest.LogCaptureFixture,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: Any) -> None:
        raise OutOfMemoryError("as if")

    monkeypatch.setattr(service.extensions["cache"].client, "pipeline", refuse)
    for _ in range(3):
        assert cache.once(key("a"), lambda: b"1") == b"1"
        clock.rest_is_over()
    assert caplog.messages == ["Redis refuses writes"]


def test_one_that_refuses_to_read_is_asked_again_each_time(
    redis: Redis, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    cache.keep(key("a"), b"1")
    redis.execute_command("ACL", "SETUSER", "default", "-get")
    assert cache.find(key("a")) is cache.find(key("a")) is None
    redis.execute_command("ACL", "SETUSER", "default", "+get")
    assert cache.find(key("a")) == b"1"
    clock.rest_is_over()
    assert cache.find(key("a")) == b"1"
    assert caplog.messages == ["Redis refuses reads", "Redis takes reads again"]


def test_trouble_that_comes_and_goes_is_told_once(
    caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    trouble = Trouble("begun", "over")
    for _ in range(3):
        trouble.is_seen(ValueError())
        trouble.is_not_seen(clock.now)
        clock.now += server_module.REST_SECONDS / 2
        trouble.is_not_seen(clock.now)
    asked_at = clock.now
    clock.rest_is_over()
    trouble.is_not_seen(asked_at)
    assert caplog.messages == ["begun"]
    trouble.is_not_seen(clock.now)
    trouble.is_not_seen(clock.now)
    assert caplog.messages == ["begun", "over"]


@pytest.mark.usefixtures("service")
def test_while_there_is_trouble_one_at_a_time_tries(clock: Clock) -> None:
    trouble = Trouble("begun", "over")
    assert [trouble.may_be_tried() for _ in range(3)] == [True] * 3
    trouble.is_seen(ValueError())
    for _ in range(2):
        assert not trouble.may_be_tried()
        clock.rest_is_over()
        assert [trouble.may_be_tried() for _ in range(3)] == [True, False, False]


@contextmanager
def talking_nonsense() -> Iterator[str]:
    """The URL of a server that answers whatever it is asked with a redirection to nowhere."""

    class Answer(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline():
                self.wfile.write(b"-MOVED x\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        finally:
            server.shutdown()
            thread.join()


def test_one_that_is_no_redis_is_away(make_app: Callable[..., Flask]) -> None:
    nowhere = ("redis://127.0.0.1:1/0?nonsense=1", f"redis://{'a' * 70}/0")
    with talking_nonsense() as url:
        for each in (url, *nowhere):
            app = make_app(REDIS_URL=each, REDIS_TIMEOUT="0.05")
            with app.app_context():
                assert cache.once(key("nonsense"), lambda: b"computed") == b"computed"
                assert not cache.answers()
            assert app.test_client().get("/ping").json == {
                "pong": True,
                "db": "ok",
                "cache": "down",
            }
