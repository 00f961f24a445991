"""Who was let in a moment ago is refused from the moment on that their end was acknowledged.

Two processes serve those it concerns while it happens, and Redis is flushed and away meanwhile.
REVOCATIONS says how often each way is tried; the promise was tried for 50.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from threading import Event
from time import monotonic

import pytest
from redis import Redis

from app.local.processes import wait_until
from app.local.valkey import Valkey
from app.models import Role
from tests.credentials import execute, key_holder, session_of
from tests.factories import Caller, Lender
from tests.figures import report
from tests.own_valkey import own_valkey
from tests.serving import PATIENCE, Service, served

REVOCATIONS = int(os.environ.get("REVOCATIONS", "2"))
ASKERS = 4
ACCEPTED, REFUSED = 201, {401, 403, 429}
MADE_BY = "SELECT count(*) FROM audit_events WHERE actor_id = '{}' AND action = 'account.deposited'"

# Whoever is concerned, and how their end comes about: what is asked, of whom.
Ended = tuple[Caller, Callable[[Service], int]]


@dataclass
class Askers:
    """Clients that move money with one credential; `told` is when each asked, and the answer."""

    service: Service
    headers: dict[str, str]
    deposits: str
    told: list[tuple[float, int]] = field(default_factory=list)

    def work(self, enough: Event) -> None:
        with self.service.client(self.headers) as client:
            while not enough.is_set():
                asked_at = monotonic()
                self.told.append((asked_at, client.post(self.deposits, {"amount": "0.01"}).status))

    def asked_since(self, moment: float) -> list[int]:
        return [status for asked_at, status in self.told if asked_at > moment]

    @property
    def accepted(self) -> int:
        return sum(status == ACCEPTED for _, status in self.told)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with own_valkey() as server:
        yield server


def by_log_out(lender: Lender, admin: Caller) -> Ended:
    caller, _ = session_of(lender.user(Role.OFFICER))
    return caller, lambda service: sent(service, caller, "POST", "/auth/logout")


def by_deactivation(lender: Lender, admin: Caller) -> Ended:
    caller = lender.user(Role.OFFICER)
    change = {"is_active": False}
    return caller, lambda it: sent(it, admin, "PATCH", f"/auth/users/{caller.id}", change)


def by_demotion(lender: Lender, admin: Caller) -> Ended:
    caller = lender.user(Role.OFFICER)
    change = {"role": "applicant"}
    return caller, lambda it: sent(it, admin, "PATCH", f"/auth/users/{caller.id}", change)


def by_revocation(lender: Lender, admin: Caller) -> Ended:
    holder = key_holder(admin, Role.OFFICER)
    path = f"/auth/api-keys/{holder.record['id']}"
    return holder, lambda service: sent(service, admin, "DELETE", path)


WAYS = (by_log_out, by_deactivation, by_demotion, by_revocation)


def sent(service: Service, caller: Caller, method: str, path: str, body: object = None) -> int:
    with service.client(caller.headers) as client:
        return client.send(method, path, body).status


def flush(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()


def test_nobody_is_let_in_after_their_end_was_acknowledged(
    environ: dict[str, str], valkey: Valkey, lender: Lender, admin: Caller
) -> None:
    deposits = f"/customers/{admin.make_customer()['id']}/account/deposits"
    accepted, refused = 0, 0
    faults = cycle((lambda: None, lambda: flush(valkey), valkey.stop, valkey.start))
    with served({**environ, "REDIS_URL": valkey.url}) as service:
        for end in WAYS * REVOCATIONS:
            caller, ended = end(lender, admin)
            askers = Askers(service, caller.headers, deposits)
            after = asked_until_refused(askers, ended, next(faults))
            assert set(after) <= REFUSED, end
            subject = caller.record["id"] if end is by_revocation else caller.id
            assert execute(admin.app, MADE_BY.format(subject)) == (askers.accepted,)
            accepted += askers.accepted
            refused += len(after)
    assert accepted >= len(WAYS) * REVOCATIONS * ASKERS
    report(
        "revoked under load",
        revocations=len(WAYS) * REVOCATIONS,
        **{"accepted before": accepted, "asked afterwards": refused, "accepted afterwards": 0},
    )


def asked_until_refused(
    askers: Askers, end: Callable[[Service], int], fault: Callable[[], object]
) -> list[int]:
    """The answers to all that was asked once the end had been acknowledged."""
    enough = Event()
    with ThreadPoolExecutor(ASKERS) as pool:
        clients = [pool.submit(askers.work, enough) for _ in range(ASKERS)]
        try:
            assert wait_until(lambda: askers.accepted >= 2 * ASKERS, PATIENCE), askers.told[-9:]
            fault()
            assert end(askers.service) in (200, 204)
            ended_at = monotonic()
            assert wait_until(lambda: len(askers.asked_since(ended_at)) >= 3 * ASKERS, PATIENCE)
        finally:
            enough.set()
        for client in clients:
            client.result()
    return askers.asked_since(ended_at)
