"""The calls that are measured, with real ids of the book at random."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import psycopg

from bench import pgbench
from bench.argon2 import PASSWORD
from bench.wrk import Request

KINDS_OF_IDS = {
    "loans": "SELECT id::text FROM loans TABLESAMPLE SYSTEM (20) LIMIT 20000",
    "named_loans": "SELECT external_id FROM loans WHERE external_id IS NOT NULL LIMIT 20000",
    "customers": "SELECT id::text FROM customers LIMIT 20000",
    "borrowers": (
        # Without a recent application, with which the fraud rules would compare a run's.
        "SELECT id::text FROM customers c WHERE status = 'ACTIVE' AND credit_limit IS NULL "
        "AND NOT EXISTS (SELECT FROM loans WHERE customer_id = c.id "
        "AND created_at > now() - interval '90 days') LIMIT 60000"
    ),
    "debtors": pgbench.DEBTORS.replace("SELECT customer_id", "SELECT customer_id::text"),
    "users": "SELECT email FROM users WHERE email LIKE 'bench.%'",
}
# What former runs applied for would count as recent, until hardly a borrower was left.
AGE_FORMER_RUNS = (
    "UPDATE loans SET created_at = created_at - interval '1 year' "
    "WHERE created_at > now() - interval '90 days' "
    "AND created_by IN (SELECT id FROM users WHERE email LIKE 'bench.%')"
)
REQUESTS = 4_000
CONNECTIONS = 8

Ids = Mapping[str, Sequence[str]]
# The service; one that asks no fraud rule and caches nothing; one on a small book; one bare route.
Server = Literal["service", "plain", "young", "bare"]


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the table. `status` is what a good answer says.

    What takes long is measured longer and by fewer connections: the answers that a run does not
    wait for at its end must be few beside those it counts. A call is compared with the one `beside`
    it, with what it is `bound_by`, or else with the bare route.
    """

    name: str
    make: Callable[[Random, Ids], Request]
    status: int = 200
    target: float | None = None
    connections: int = CONNECTIONS
    is_anonymous: bool = False
    is_slow: bool = False
    served_by: Server = "service"
    beside: "Call | None" = None
    bound_by: str | None = None

    def requests(self, random: Random, ids: Ids) -> list[Request]:
        """Enough of them, all different where they can be."""
        return [self.make(random, ids) for _ in range(REQUESTS)]


BARE = Call("bare", lambda *_: Request("GET", "/"), is_anonymous=True, served_by="bare")


def find_ids(url: str) -> Ids:
    """What the requests refer to."""
    with psycopg.connect(url) as connection:
        connection.execute(AGE_FORMER_RUNS)
        return {
            kind: [row[0] for row in connection.execute(query)]
            for kind, query in KINDS_OF_IDS.items()
        }


def _application(random: Random, ids: Ids) -> Request:
    borrower = random.choice(ids["borrowers"])
    # The same each time, as people declare it.
    income = Random(borrower).randrange(20_000, 120_000)
    body = {
        "customer_id": borrower,
        "amount": f"{random.randrange(500, 40_000)}.00",
        "term_months": random.choice((12, 24, 36, 48)),
        "purpose": random.choice(("A delivery van", "Stock for the season", "Solar panels")),
        "income": f"{income}.00",
        "expenses": f"{income * random.randrange(20, 70) // 100}.00",
    }
    return Request("POST", "/loans/", json.dumps(body))


def _payment(random: Random, ids: Ids) -> Request:
    """So small that no debt is ever paid off, with a key of its own."""
    body = {
        "customer_id": random.choice(ids["debtors"]),
        "total_amount": f"{random.randrange(1, 100) / 100:.2f}",
    }
    return Request("POST", "/payments/", json.dumps(body), is_keyed=True)


def _login(random: Random, ids: Ids) -> Request:
    body = {"email": random.choice(ids["users"]), "password": PASSWORD}
    return Request("POST", "/auth/login", json.dumps(body))


def _path(pattern: str, kind: str) -> Callable[[Random, Ids], Request]:
    return lambda random, ids: Request("GET", pattern.format(random.choice(ids[kind])))


def _same(path: str) -> Callable[[Random, Ids], Request]:
    return lambda *_: Request("GET", path)


UNRULED = Call("no rules", _application, status=201, served_by="plain")
LIST = _same("/loans/?status=PENDING&page_size=20")
LIST_UNCACHED = Call("uncached", LIST, served_by="plain")
REPORT = _same("/reports/portfolio")
REPORT_UNCACHED = Call("uncached", REPORT, served_by="plain", connections=2, is_slow=True)

PAYMENT = Call("POST /payments/", _payment, status=201)
PAYMENT_OF_FEW = replace(PAYMENT, name="1,000 loans", served_by="young")

CALLS = (
    Call("GET /healthz", _same("/healthz"), is_anonymous=True),
    Call("GET /loans/{id}", _path("/loans/{}", "loans"), target=0.22),
    Call("GET /loans/{external id}", _path("/loans/{}", "named_loans")),
    Call("POST /loans/", _application, status=201, target=0.07),
    Call("POST /loans/, all rules", _application, status=201, beside=UNRULED, target=0.75),
    PAYMENT,
    replace(
        PAYMENT,
        name="POST /payments/, three loans, beside its SQL",
        bound_by="pgbench",
        target=0.15,
    ),
    replace(PAYMENT, name="POST /payments/, large book", beside=PAYMENT_OF_FEW, target=0.8),
    replace(LIST_UNCACHED, name="GET /loans/?status=…, uncached"),
    Call("GET /loans/?status=…, cached", LIST, beside=LIST_UNCACHED, target=3),
    Call("GET /customers/{id}/balance", _path("/customers/{}/balance", "customers")),
    replace(REPORT_UNCACHED, name="GET /reports/portfolio, uncached"),
    replace(
        REPORT_UNCACHED,
        name="GET /reports/portfolio, cached",
        served_by="service",
        beside=REPORT_UNCACHED,
        target=3,
    ),
    Call(
        "POST /auth/login",
        _login,
        target=0.9,
        connections=4,
        is_anonymous=True,
        bound_by="Argon2",
        is_slow=True,
    ),
)
