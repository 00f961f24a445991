"""Remembered answers: to each caller what they would be told without a cache, and never stale."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from time import monotonic
from typing import Any, get_args
from uuid import uuid4

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import cache
from app.cache import server as server_module
from app.config import Settings
from app.db import db, transaction
from app.local.processes import wait_until
from app.local.valkey import Valkey
from app.models import Role
from app.schemas.health import HealthOut
from app.services import domains, loans, reports
from app.services.actor import Actor, Kind
from app.web import openapi
from app.web.endpoint import Contract
from app.web.identity import Credential
from app.web.remembered import Cached
from tests.credentials import key_holder, session_of
from tests.factories import LOAN, Caller, Lender
from tests.own_valkey import FOREIGN, spoil

PATIENCE = 10
STALL = 3  # seconds that a hiccup of Redis holds nobody up
READ_BY = {"/loans/": (loans, "search"), "/reports/portfolio": (reports, "portfolio")}
EXPECTED = set(READ_BY)
REASON = {"reason": "because"}

Parallel = Callable[..., list[Any]]


@pytest.fixture
def uncached(make_app: Callable[..., Flask]) -> Callable[[Caller], Caller]:
    """The same caller at a service that remembers nothing."""
    app = make_app(CACHE_ENABLED="false")
    return lambda caller: Caller(app, caller.headers, caller.user)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with Redis.from_url(settings.redis_url) as client:
        yield client


@pytest.fixture
def callers(lender: Lender, admin: Caller, applicant: Caller) -> dict[str, Caller]:
    return {
        "admin": admin,
        "another admin": lender.user(Role.ADMIN),
        "officer": lender.user(Role.OFFICER),
        "owner": applicant,
        "stranger": lender.user(Role.APPLICANT),
        "officer's key": key_holder(admin, Role.OFFICER),
        "applicant's key": key_holder(admin, Role.APPLICANT),
        "refresh token": session_of(admin)[1],
        "nobody": Caller(lender.app),
    }


def cached_paths(app: Flask, ref: str) -> list[str]:
    """Every way to ask a cached route: with the record of `ref` where it names one, and as CSV."""
    paths = []
    for rule, contract in openapi.contracts(app):
        if contract.cached:
            path = re.sub("<.*?>", ref, rule.rule)
            paths += [path, *([f"{path}?format=csv"] if contract.table else [])]
    return paths


def told(answer: TestResponse) -> tuple[Any, ...]:
    return answer.status_code, sorted(answer.headers), answer.data


def ask(caller: Caller, path: str, **headers: str) -> TestResponse:
    answer: TestResponse = caller.get(path, headers={"X-Request-ID": "same", **headers})
    return answer


def test_the_lists_and_the_report_are_remembered(app: Flask) -> None:
    rules = {rule.rule for rule, contract in openapi.contracts(app) if contract.cached}
    assert rules >= EXPECTED
    assert all(path in cached_paths(app, "x") for path in EXPECTED)


def test_each_is_told_what_they_would_be_told_without_a_cache_whoever_asked_before(
    app: Flask,
    callers: dict[str, Caller],
    uncached: Callable[[Caller], Caller],
    redis: Redis,
) -> None:
    loan = callers["owner"].make_loan()
    callers["officer"].make_loan()
    for path in cached_paths(app, loan["id"]):
        expected = {name: told(ask(uncached(each), path)) for name, each in callers.items()}
        for warmer, reader in product(callers, callers):
            redis.flushdb()
            app.extensions["near_cache"].clear()
            ask(callers[warmer], path)
            assert told(ask(callers[reader], path)) == expected[reader], (path, warmer, reader)


def test_a_remembered_answer_is_not_made_again(
    admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.make_loan()
    paths = ("/loans/?page_size=1", "/reports/portfolio", "/reports/portfolio?format=csv")
    first = [told(ask(admin, path)) for path in paths]
    for module, name in READ_BY.values():
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("it was made again"))
    assert [told(ask(admin, path)) for path in paths] == first
    assert admin.head(paths[0]).headers["X-Total-Count"] == "1"


def test_look_ups_are_counted_by_name_and_outcome(admin: Caller, anyone: Caller) -> None:
    for _ in range(2):
        admin.get("/loans/")
    figures = anyone.get("/metrics").text
    for outcome in ("hit", "miss"):
        name = f'loans_cache_lookups_total{{namespace="loan-list",outcome="{outcome}"}}'
        assert name in figures


def test_whatever_an_answer_depends_on_is_asked_for_apart(
    admin: Caller, uncached: Callable[[Caller], Caller]
) -> None:
    for _ in range(3):
        admin.make_loan()
    asked = [
        ("/loans/", {}),
        ("/loans/?page=2", {}),
        ("/loans/?page_size=2", {}),
        ("/loans/?page_size=2&page=2", {}),
        ("/loans/?sort=oldest", {}),
        ("/loans", {}),
        ("/reports/portfolio", {}),
        ("/reports/portfolio", {"Accept": "text/csv"}),
        ("/reports/portfolio?format=json", {"Accept": "text/csv"}),
        ("/reports/portfolio?to=2020-01-01", {}),
    ]
    for _ in range(2):
        for path, headers in asked:
            answer = ask(admin, path, **headers)
            assert told(answer) == told(ask(uncached(admin), path, **headers))


def test_a_refusal_is_not_remembered(
    admin: Caller, officer: Caller, monkeypatch: pytest.MonkeyPatch, redis: Redis
) -> None:
    monkeypatch.setattr(reports, "portfolio", lambda *_, **__: 1 / 0)
    assert admin.get("/reports/portfolio").status_code == 500
    monkeypatch.undo()
    assert redis.keys() == []
    assert officer.get("/reports/portfolio").status_code == 403
    assert redis.keys() == []
    assert admin.get("/reports/portfolio").status_code == 200


def test_nothing_but_a_200_is_remembered(make_app: Callable[..., Flask], admin: Caller) -> None:
    states = iter(({"status": "bad"}, {"status": "good"}, {"status": "better"}))
    contract = Contract(
        returns=HealthOut,
        is_down=lambda state: state["status"] == "bad",
        cached=Cached("loans", "x"),
    )
    app = make_app()
    app.add_url_rule("/state", view_func=contract(lambda _: next(states)))
    caller = Caller(app, admin.headers)
    answers = [caller.get("/state") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 200, 200]
    assert answers[1].json == answers[2].json == {"status": "good"}
    assert ["ETag" in answer.headers for answer in answers] == [False, True, True]


def test_only_those_share_a_scope_who_may_see_and_do_the_same() -> None:
    ids = [uuid4(), uuid4()]
    kinds: tuple[Kind, ...] = get_args(Kind)
    actors = [
        Actor(id=each, role=role, kind=kind) for each, role, kind in product(ids, Role, kinds)
    ]
    for one, other in product(actors, actors):
        same = (one.role, one.kind) == (other.role, other.kind)
        assert (one.scope == other.scope) is (same and (one.is_staff or one.id == other.id))


def test_what_is_refused_is_refused_however_warm(admin: Caller, anyone: Caller) -> None:
    for path in EXPECTED:
        assert admin.get(path).status_code == 200
        assert anyone.get(path).status_code == 401
        assert admin.get(f"{path}?colour=red").status_code == 422


def test_a_route_open_to_all_has_nobody_to_keep_its_answer_for() -> None:
    with pytest.raises(TypeError, match="who may see it"):
        Contract(credential=Credential.NONE, cached=Cached("loans", "open"))


def test_every_deed_shows_at_once(
    admin: Caller, officer: Caller, uncached: Callable[[Caller], Caller]
) -> None:
    customer = officer.make_customer(external_id="before")
    loan = officer.make_loan(customer)
    path = f"/loans/{loan['id']}"
    deeds = (
        partial(admin.patch, path, {"amount": "777.00"}),
        partial(admin.post, f"{path}/flag", REASON),
        partial(admin.post, f"{path}/clear-flags", REASON),
        partial(rename, admin.app, "before", "after"),
        partial(admin.post, f"{path}/approve", REASON),
        partial(admin.post, f"{path}/activate"),
        partial(officer.post, "/loans/", {**LOAN, "customer_id": customer["id"]}),
    )
    lists = ("/loans/", "/loans/?flagged=true", "/loans/?status=ACTIVE", "/loans/?customer=after")
    seen = []
    for deed in deeds:
        for each in (*lists, "/reports/portfolio"):
            assert told(ask(admin, each)) == told(ask(uncached(admin), each))
        seen.append(ask(admin, "/loans/").data)
        answer = deed()
        assert answer is None or answer.status_code in (200, 201)
    assert len(set(seen)) == len(deeds)


def rename(app: Flask, before: str, after: str) -> None:
    """Give a customer another external id, as no call does yet."""
    statement = text("UPDATE customers SET external_id = :after WHERE external_id = :before")
    with app.app_context(), transaction():
        db.session.execute(statement, {"before": before, "after": after})


@pytest.mark.parametrize("path", sorted(EXPECTED))
def test_an_answer_made_before_a_write_is_not_given_after_it(
    path: str, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slowest of readers: all it answers is read before the write, and kept after it."""
    module, name = {"/loans/": (loans, "search"), "/reports/portfolio": (reports, "portfolio")}[
        path
    ]
    read = getattr(module, name)

    def read_slowly(*args: Any, **kwargs: Any) -> Any:
        result = read(*args, **kwargs)
        monkeypatch.undo()
        admin.make_loan()
        return result

    admin.make_loan()
    monkeypatch.setattr(module, name, read_slowly)
    slow, afterwards = admin.get(path), admin.get(path)
    assert count(slow) == 1
    assert count(afterwards) == 2


def count(answer: TestResponse) -> int:
    """How many loans an answer speaks of."""
    return int(answer.headers.get("X-Total-Count") or answer.get_json()["total"])


def test_of_many_who_ask_for_the_report_at_once_one_sums_it_up(
    admin: Caller, redis: Redis, in_parallel: Parallel, monkeypatch: pytest.MonkeyPatch
) -> None:
    summed, read = [], reports.portfolio

    def all_have_asked() -> bool:
        return int(redis.info("commandstats")["cmdstat_eval"]["calls"]) >= 8

    def portfolio(*args: Any, **kwargs: Any) -> Any:
        summed.append(1)
        assert wait_until(all_have_asked, PATIENCE)
        return read(*args, **kwargs)

    admin.make_loan()
    redis.config_resetstat()
    monkeypatch.setattr(reports, "portfolio", portfolio)
    answers = in_parallel(*[partial(admin.get, "/reports/portfolio")] * 8)
    assert {count(answer) for answer in answers} == {1}
    assert len(summed) == 1


def test_without_a_generation_nothing_is_remembered(
    app: Flask, admin: Caller, redis: Redis
) -> None:
    admin.make_loan()
    with app.app_context(), transaction():
        db.session.execute(text("DELETE FROM generations"))
    redis.flushdb()
    assert count(admin.get("/loans/")) == count(admin.get("/loans/")) == 1
    assert redis.keys() == []


@pytest.mark.parametrize("path", sorted(EXPECTED))
def test_who_knows_an_answer_is_told_that_it_holds_until_it_does_not(
    path: str, admin: Caller, uncached: Callable[[Caller], Caller]
) -> None:
    loan = admin.make_loan()
    for caller in (admin, uncached(admin)):
        known = {"If-None-Match": caller.get(path).headers["ETag"]}
        again = caller.get(path, headers=known)
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == known["If-None-Match"]
        admin.post(f"/loans/{loan['id']}/flag", REASON)
        admin.post(f"/loans/{loan['id']}/clear-flags", REASON)
        assert caller.get(path, headers=known).status_code == 200


def test_a_tag_is_good_for_whom_it_was_given_and_for_what(
    admin: Caller, officer: Caller, applicant: Caller
) -> None:
    admin.make_loan()
    known = {"If-None-Match": admin.get("/loans/").headers["ETag"]}
    assert admin.get("/loans/?page_size=1", headers=known).status_code == 200
    assert officer.get("/loans/", headers=known).status_code == 200
    assert applicant.get("/loans/", headers=known).json == []


@pytest.mark.parametrize("known", ["*", '"x", *'])
def test_to_know_anything_does_not_open_a_report(known: str, officer: Caller) -> None:
    answer = officer.get("/reports/portfolio", headers={"If-None-Match": known})
    assert answer.status_code == 403


@pytest.fixture
def exposed(valkey: Valkey, make_app: Callable[..., Flask]) -> Callable[[Caller], Caller]:
    """The same caller at a service whose Redis can fail."""
    app = make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05", LOG_LEVEL="WARNING")
    return lambda caller: Caller(app, caller.headers, caller.user)


def stop(valkey: Valkey) -> Callable[[], None]:
    valkey.stop()
    return valkey.start


def pause(valkey: Valkey) -> Callable[[], None]:
    """It comes back with all it knew."""
    valkey.pause()
    return valkey.resume


def flush(valkey: Valkey) -> Callable[[], None]:
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    return lambda: None


@pytest.mark.parametrize("fail", [stop, pause, flush])
def test_what_was_written_while_redis_was_away_is_there_when_it_is_back(
    fail: Callable[[Valkey], Callable[[], None]],
    valkey: Valkey,
    admin: Caller,
    exposed: Callable[[Caller], Caller],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caller = exposed(admin)
    monkeypatch.setattr(server_module, "REST_SECONDS", 0)
    caller.make_loan()
    counts = [[count(caller.get(path)) for path in sorted(EXPECTED)]]
    undo = fail(valkey)
    caller.make_loan()
    counts.append([count(caller.get(path)) for path in sorted(EXPECTED)])
    undo()
    counts.append([count(caller.get(path)) for path in sorted(EXPECTED)])
    caller.make_loan()
    counts.append([count(caller.get(path)) for path in sorted(EXPECTED)])
    assert counts == [[1, 1], [2, 2], [2, 2], [3, 3]]
    outage = ["Redis is away", "Redis is back"] if fail is not flush else []
    assert [each for each in caplog.messages if "Redis" in each] == outage


def test_a_hiccup_of_redis_holds_no_reader_up(
    valkey: Valkey,
    admin: Caller,
    exposed: Callable[[Caller], Caller],
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Redis gives the first reader a lock after that one has given Redis up."""
    monkeypatch.setattr(cache, "_kept", lambda _: None)  # the plain look came just before
    first = exposed(admin)
    other = Caller(make_app(REDIS_URL=valkey.url, REDIS_TIMEOUT="0.05"), admin.headers)
    first.get("/loans/")
    first.make_loan()
    valkey.pause()
    assert count(first.get("/loans/")) == 1
    valkey.resume()
    with Redis.from_url(valkey.url) as redis:
        assert wait_until(lambda: bool(redis.keys("*:lock")), PATIENCE)
    began_at = monotonic()
    assert [count(other.get("/loans/")) for _ in range(2)] == [1, 1]
    assert monotonic() - began_at < STALL


@pytest.mark.parametrize("path", [*sorted(EXPECTED), "/openapi.json"])
def test_what_was_not_kept_is_never_answered(path: str, admin: Caller, redis: Redis) -> None:
    def asked() -> tuple[Any, ...]:
        admin.app.extensions.pop("openapi", None)  # as in a process that has not been asked yet
        return told(ask(admin, path))

    expected = asked()
    for value in FOREIGN:
        spoil(redis, value)
        assert asked() == expected


def test_a_number_that_was_not_kept_counts_no_customers(
    app: Flask, officer: Caller, redis: Redis
) -> None:
    officer.make_customer(email="a@firm.example")
    with app.app_context(), transaction():
        for value in FOREIGN:
            assert domains.customers("firm.example") == 1
            spoil(redis, value)
            assert domains.customers("firm.example") == 1


def test_the_document_is_built_once_for_all_processes(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, clean: None
) -> None:
    first, second, other = make_app(), make_app(), make_app(API_KEY_HEADER="X-Key")
    document = first.test_client().get("/openapi.json")
    monkeypatch.setattr(openapi, "build", lambda _: {"built": "again"})
    again = second.test_client().get("/openapi.json")
    assert (again.data, again.headers["ETag"]) == (document.data, document.headers["ETag"])
    assert other.test_client().get("/openapi.json").json == {"built": "again"}
