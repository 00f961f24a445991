"""The calls that are measured: what is sent, with real ids of the book at random."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from urllib.parse import quote

from bench import servers
from bench.argon2 import PASSWORD
from bench.ids import Ids
from bench.servers import Server
from bench.wrk import Request

REQUESTS = 4_000
CLIENTS = 8
# Enough to keep the service busy, and too few to wait for one another.
FEW = 2
OPEN_END = 0.2

Make = Callable[[Random, Ids], Request]


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, and where. `status` is what a good answer says.

    What takes long is measured longer and by fewer clients: the answers that a run does not wait
    for at its end must be few beside those it counts. A call that `is_conditional` is sent with the
    entity tag of the answer to the same call without one.
    """

    make: Make
    status: int = 200
    served_by: Server = servers.SERVICE
    clients: int = CLIENTS
    is_anonymous: bool = False
    is_slow: bool = False
    is_conditional: bool = False

    def requests(self, random: Random, ids: Ids) -> list[Request]:
        """Enough of them, all different where they can be."""
        return [self.make(random, ids) for _ in range(REQUESTS)]


def _same(path: str) -> Make:
    return lambda *_: Request("GET", path)


def _any(kind: str, pattern: str = "{}") -> Make:
    return lambda random, ids: Request("GET", pattern.format(random.choice(ids[kind])))


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


def _search(random: Random, ids: Ids) -> Request:
    """Three letters from anywhere in a name, an e-mail or a phone of some customer."""
    text = random.choice(ids["texts"])
    first = random.randrange(len(text) - 2)
    return Request("GET", f"/customers/?q={quote(text[first : first + 3])}&page_size=20")


def _report(random: Random, ids: Ids) -> Request:
    """From one day of the book to another; either end may be open."""
    days = zip(("from", "to"), sorted(random.choices(ids["days"], k=2)), strict=True)
    bounds = [f"{name}={day}" for name, day in days if random.random() >= OPEN_END]
    return Request("GET", f"/reports/portfolio?{'&'.join(bounds)}".rstrip("?"))


BARE = Call(_same("/"), is_anonymous=True, served_by=servers.BARE)
HEALTH = Call(_same("/healthz"), is_anonymous=True)
LOAN = Call(_any("loans", "/loans/{}"))
NAMED_LOAN = Call(_any("named_loans", "/loans/{}"))
BALANCE = Call(_any("customers", "/customers/{}/balance"))

LIST = Call(_same("/loans/?status=PENDING&page_size=20"))
LIST_UNCACHED = replace(LIST, served_by=servers.PLAIN)
LIST_KNOWN = replace(LIST, status=304, is_conditional=True)
FIRST_PAGE = Call(_any("first_page"), served_by=servers.PLAIN)
DEEP_PAGE = replace(FIRST_PAGE, make=_any("deep_page"))
BY_CURSOR = replace(FIRST_PAGE, make=_any("by_cursor"))
# What a server has to be asked for first.
PAGES = {call.make for call in (FIRST_PAGE, DEEP_PAGE, BY_CURSOR)}

SEARCH = Call(_search, served_by=servers.PLAIN, clients=FEW)
REPORT = Call(_report, served_by=servers.PLAIN, clients=FEW)
WHOLE_REPORT = Call(_same("/reports/portfolio"), clients=FEW)
WHOLE_REPORT_UNCACHED = replace(WHOLE_REPORT, served_by=servers.PLAIN)

APPLICATION = Call(_application, status=201)
APPLICATION_UNRULED = replace(APPLICATION, served_by=servers.PLAIN)
PAYMENT = Call(_payment, status=201)
PAYMENT_BESIDE = replace(PAYMENT, served_by=servers.SERVICE_BESIDE)
LOGIN = Call(_login, clients=4, is_anonymous=True, is_slow=True)
