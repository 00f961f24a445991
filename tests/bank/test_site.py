"""The bank on more than one machine: whichever of its parts is lost, and comes back, under load.

SITE_ROUNDS says how often each is; the promise was made for 5.
"""

import os
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event
from time import monotonic
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app.local.processes import wait_until
from app.models import Role
from app.tasks import requeue_stale_imports
from tests.bank.books import Auditor, opened
from tests.bank.site import PATIENCE, Site, running
from tests.bank.tellers import Counters, Records, Teller
from tests.bank.test_bank import difference
from tests.bank.witnesses import Witness
from tests.factories import Caller, Lender
from tests.figures import report
from tests.importing import Outcome, accepted, lease_ran_out, lines, names, outcome
from tests.network.pgbouncer import BINARY
from tests.serving import Client

SITE_ROUNDS = int(os.environ.get("SITE_ROUNDS", "1"))
TELLERS, WITNESSES, CUSTOMERS = 4, 2, 2
AT_ONCE = 5  # deeds of a teller's, between two looks at whether it is over
MEANWHILE = 10
LINES = 2_000
COUNTS = re.compile(r'replica_reads_total{outcome="(\w+)"} (\S+)')

pytestmark = pytest.mark.skipif(
    BINARY is None, reason="there is no pgbouncer here; apt install pgbouncer"
)


class Persistent(Auditor):
    """One that comes back to books that were away."""

    def _audit(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._over.is_set()
            began = monotonic()
            try:
                with opened(self._url) as connection:
                    self._look(connection)
            except psycopg.OperationalError:
                is_last = False
            self._over.wait(max(self.LEAST_REST, self.REST * (monotonic() - began)))


def test_the_bank_outlives_each_of_its_parts_and_nobody_reads_what_is_old(
    environ: dict[str, str], make_app: Callable[..., Flask]
) -> None:
    with running({**environ, "FRAUD_VELOCITY": "off", "ACCESS_TOKEN_MINUTES": "1440"}) as site:
        broker = f"{site.valkey.url.rpartition('/')[0]}/1"
        own = {"REDIS_URL": site.valkey.url, "CELERY_BROKER_URL": broker, "USE_CELERY": "true"}
        own |= {"DATABASE_URL": site.url, "ACCESS_TOKEN_MINUTES": "1440"}
        app = make_app(**own)
        admin = Lender(app).user(Role.ADMIN)
        import_id = accepted(app, admin, lines(names("crm", LINES)))
        handed_over(app)
        with Persistent(site.url) as auditor, Persistent(site.replica.of(site.url)) as reader:
            records, witnesses = worked(site, admin)
        from_replica = outcomes(site)
        app = make_app(**own)  # with no connection from before
        imported = finished(app, import_id)
        differences = difference(site.url, records)
        verified = app.test_cli_runner().invoke(args=["verify-books"])
    stale = [path for witness in witnesses for path in witness.stale]
    report(
        "Each part may be lost",
        **{
            "losses": SITE_ROUNDS * len(site.parts),
            "operations": records.operations,
            "differences": differences,
            "negative": auditor.negative + reader.negative,
            "snapshots": auditor.snapshots,
            "snapshots of the replica": reader.snapshots,
            "reads after a write": sum(witness.reads for witness in witnesses),
            "stale": len(stale),
            "read from the replica, of late": from_replica,
            "answers by status": records.statuses,
        },
    )
    assert all(witness.reads for witness in witnesses)
    assert stale == []
    assert from_replica["ok"] > 0
    assert records.wrong == []
    assert records.statuses["500"] == 0
    assert (auditor.examples, reader.examples) == ({}, {})
    assert (differences, auditor.negative, reader.negative) == (0, 0, 0)
    assert imported[:5] == ("COMPLETED", LINES, LINES, LINES, 0)
    assert verified.exit_code == 0, verified.output


def worked(site: Site, admin: Caller) -> tuple[Records, list[Witness]]:
    """What tellers were answered, and witnesses saw, while each part was lost in turn."""
    customers = [admin.make_customer()["id"] for _ in range(CUSTOMERS + WITNESSES)]
    counters = Counters(site, admin.headers, customers[:CUSTOMERS])  # type: ignore[arg-type]
    tellers = [Teller(counters, 1, number) for number in range(TELLERS)]
    witnesses = [
        Witness([*site.webs], admin.headers, customer, f"witness-{number}")
        for number, customer in enumerate(customers[CUSTOMERS:])
    ]
    is_over = Event()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(TELLERS + WITNESSES))
        stack.callback(is_over.set)
        working: list[Future[object]] = [
            *(pool.submit(until_over, each, is_over) for each in tellers),
            *(pool.submit(each.work, is_over) for each in witnesses),
        ]

        def done() -> int:
            for each in working:
                assert not each.done(), each.result()
            return sum(each.records.operations for each in tellers)

        def more_is_done() -> bool:
            enough = done() + MEANWHILE
            return wait_until(lambda: done() >= enough, PATIENCE)

        for part in site.parts * SITE_ROUNDS:
            part.kill()
            assert part in (site.bouncer, site.primary) or more_is_done(), part.name
            part.start()
            assert more_is_done(), part.name
        before = outcomes(site)["ok"]
        assert wait_until(lambda: outcomes(site)["ok"] > before, PATIENCE), "read from no replica"
        is_over.set()
        for each in working:
            each.result(PATIENCE)
    together = Records()
    for teller in tellers:
        together.add(teller.records)
    together.moved.update({witness.customer: witness.paid_in for witness in witnesses})
    return together, witnesses


def outcomes(site: Site) -> Counter[str]:
    """What came of reads that the replica might answer, since each web process was last started."""
    counted = Counter[str]()
    for web in site.webs:
        with Client(web.port, {}) as client:
            text = client.get("/metrics").body.decode()
        for kind, number in COUNTS.findall(text):
            counted[kind] += int(float(number))
    return counted


def until_over(teller: Teller, is_over: Event) -> None:
    while not is_over.is_set():
        teller.work(AT_ONCE)


def handed_over(app: Flask) -> None:
    with app.app_context():
        requeue_stale_imports()


def finished(app: Flask, import_id: UUID) -> Outcome:
    """What comes of it, as soon as nobody waits for those who died any more."""

    def is_over() -> bool:
        lease_ran_out(app)
        handed_over(app)
        return outcome(app, import_id).status == "COMPLETED"

    assert wait_until(is_over, PATIENCE)
    return outcome(app, import_id)
