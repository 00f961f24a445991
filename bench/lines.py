"""The lines of the table: which call is compared with what, and what it has to reach."""

from dataclasses import dataclass, replace

from bench import calls
from bench.books import LARGE, YOUNG
from bench.calls import BARE, Call
from bench.servers import BESIDE
from bench.targets import Target, at_least, p50_within, p99_within


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `beside` is a call, or by its name what does nothing but the one thing.

    `base` is how the table names that. The target is `grown` where the same call, on a book of a
    tenth, stands beside.
    """

    name: str
    call: Call
    target: Target | None = None
    grown: Target | None = None
    beside: Call | str = BARE
    base: str = "bare"

    @property
    def calls(self) -> list[Call]:
        """Those that a server has to answer for it."""
        return [call for call in (self.beside, self.call) if isinstance(call, Call)]


WITHIN_10_PERCENT, WITHIN_20_PERCENT = at_least(0.90), at_least(0.80)

# Neighbours share what was measured of a call a moment before.
LINES = (
    Line("GET /healthz", calls.HEALTH),
    Line("GET /loans/{id}", calls.LOAN, at_least(0.30), WITHIN_10_PERCENT),
    Line("GET /loans/{external id}", calls.NAMED_LOAN, at_least(0.30), WITHIN_10_PERCENT),
    Line("GET /customers/{id}/balance", calls.BALANCE, at_least(0.25), WITHIN_10_PERCENT),
    Line("GET /loans/?status=…, uncached", calls.LIST_UNCACHED, at_least(0.15), WITHIN_20_PERCENT),
    Line("GET /loans/?status=…, 304", calls.LIST_KNOWN, at_least(0.30), WITHIN_20_PERCENT),
    Line("GET /loans/?status=…, cached", calls.LIST, at_least(0.30), WITHIN_20_PERCENT),
    Line(
        "GET /loans/?status=…, cached beside uncached",
        calls.LIST,
        beside=calls.LIST_UNCACHED,
        base="uncached",
    ),
    Line(
        "GET /loans/?status=…, deep page",
        calls.DEEP_PAGE,
        p50_within(5),
        WITHIN_20_PERCENT,
        beside=calls.FIRST_PAGE,
        base="page 1",
    ),
    Line(
        "GET /loans/?status=…, deep by cursor",
        calls.BY_CURSOR,
        at_least(0.90),
        WITHIN_20_PERCENT,
        beside=calls.FIRST_PAGE,
        base="page 1",
    ),
    Line("GET /customers/?q=…", calls.SEARCH, p99_within(50), p99_within(100)),
    Line("GET /reports/portfolio, any range", calls.REPORT, p99_within(15), p99_within(15)),
    Line(
        "GET /reports/portfolio, cached",
        calls.WHOLE_REPORT,
        beside=calls.WHOLE_REPORT_UNCACHED,
        base="uncached",
    ),
    Line("POST /loans/", calls.APPLICATION, at_least(0.10), WITHIN_10_PERCENT),
    Line(
        "POST /loans/, all rules",
        calls.APPLICATION,
        at_least(0.75),
        beside=calls.APPLICATION_UNRULED,
        base="no rules",
    ),
    Line("POST /payments/", calls.PAYMENT),
    Line(
        "POST /payments/, three loans, beside its SQL",
        calls.PAYMENT,
        at_least(0.15),
        beside="pgbench",
        base="pgbench",
    ),
    Line(
        "POST /payments/, large book",
        calls.PAYMENT,
        at_least(0.8),
        beside=calls.PAYMENT_BESIDE,
        base=YOUNG.title,
    ),
    Line("POST /auth/login", calls.LOGIN, at_least(0.9), beside="Argon2", base="Argon2"),
)
GROWTH = tuple(
    replace(
        line,
        target=line.grown,
        beside=replace(line.call, served_by=BESIDE[line.call.served_by]),
        base=LARGE.title,
    )
    for line in LINES
    if line.grown
)
