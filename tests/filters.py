"""What can be asked of every list of the service, and what each filter means.

Which lists there are follows from the contracts. One that is not known here fails the tests, and so
does a filter that no question names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from werkzeug.test import TestResponse

from app.models import Role
from app.schemas.common import ListFilter
from tests.attacks import Route, good_form, routes
from tests.factories import LOAN, created

if TYPE_CHECKING:
    from tests.lists import Book

Row = dict[str, Any]
Question = dict[str, Any]

LISTS = [route for route in routes() if route.asks_for(ListFilter)]
PLACING = frozenset(("page", "page_size", "cursor", "fields"))
WHY = {"reason": "as discussed"}


@dataclass(frozen=True)
class Listed:
    """What a list can be asked; how records come to it, and leave it under a question.

    `is_theirs` tells which of them the applicant may see, to whom a list without it is closed.
    """

    questions: Callable[["Book"], list[Question]]
    add: Callable[["Book"], object]
    filters: Mapping[str, Callable[[Row, Any], bool]]
    order: tuple[str, ...] = ("created_at", "id")
    is_descending: bool = True
    is_theirs: Callable[["Book", Row], bool] | None = None
    leaving: tuple[Question, Callable[["Book", str], TestResponse]] | None = None

    def means(self, name: str) -> Callable[[Row, Any], bool]:
        """Whether a row meets a filter of that name."""
        days = {
            "from": lambda row, day: row[self.order[0]][:10] >= day,
            "to": lambda row, day: row[self.order[0]][:10] <= day,
        }
        return {**days, **self.filters}[name]

    def place(self, row: Row) -> tuple[Any, ...]:
        """Where the row stands in the list."""
        moment, *others = self.order
        return (_moment(row[moment]), *(row[name] for name in others))


def met(route: Route, question: Question, rows: list[Row]) -> list[Row]:
    """Those of all rows that a list must answer to a question, in its order."""
    listed = LISTED[route.rule.endpoint]
    wanted = {name: value for name, value in question.items() if name != "sort"}
    found = [
        row for row in rows if all(listed.means(name)(row, value) for name, value in wanted.items())
    ]
    return found[::-1] if question.get("sort") == "oldest" else found


def id_of(row: Row) -> Any:
    """What tells it from the others; a line of a file has its number."""
    return row["id"] if "id" in row else row["line"]


def _moment(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _of_customer(row: Row, name: str) -> bool:
    return name in (row["customer_id"], row["customer_external_id"])


def _made_by_them(book: "Book", row: Row) -> bool:
    return bool(row["created_by"] == book.applicant.id)


def _same(name: str) -> Callable[[Row, Any], bool]:
    return lambda row, value: row[name] == value


def _holds(*names: str) -> Callable[[Row, str], bool]:
    return lambda row, part: any(part.lower() in (row[name] or "").lower() for name in names)


def _is_true(name: str) -> Callable[[Row, str], bool]:
    return lambda row, word: bool(row[name]) == (word == "true")


def _bound(name: str, *, is_least: bool) -> Callable[[Row, str], bool]:
    def meets(row: Row, bound: str) -> bool:
        value, limit = Decimal(row[name]), Decimal(bound)
        return value >= limit if is_least else value <= limit

    return meets


DAYS: list[Question] = [{"from": "2026-01-31"}, {"to": "2026-01-31"}]
RANGE = {"from": "2026-01-31", "to": "2026-02-01"}
LISTED = {
    "auth.index_users": Listed(
        lambda _: [
            *({"role": "officer"}, {"is_active": "true"}, {"is_active": "false"}, {"q": "ADA"}),
            {"role": "admin", "is_active": "true", "q": "ada"},
        ],
        lambda book: book.lender.user(Role.OFFICER),
        {
            "role": _same("role"),
            "is_active": _is_true("is_active"),
            "q": _holds("email", "nickname"),
        },
        leaving=(
            {"is_active": "true", "role": "officer"},
            lambda book, id_: book.admin.patch(f"/auth/users/{id_}", {"is_active": False}),
        ),
    ),
    "auth.index_api_keys": Listed(
        lambda _: [],
        lambda book: created(book.admin.post("/auth/api-keys", {"name": "k", "role": "officer"})),
        {},
        leaving=({}, lambda book, id_: book.admin.delete(f"/auth/api-keys/{id_}")),
    ),
    "customers.index": Listed(
        lambda _: [
            *({"q": "fivevans"}, {"q": "FIVE"}, {"status": "ACTIVE"}, {"external_id": "in debt"}),
            {"status": "INACTIVE", "q": "vans"},
        ],
        lambda book: book.applicant.make_customer(external_id=None),
        {
            "q": _holds("first_name", "last_name", "email", "phone", "external_id"),
            "status": _same("status"),
            "external_id": _same("external_id"),
        },
        is_theirs=_made_by_them,
        leaving=(
            {"status": "ACTIVE"},
            lambda book, id_: book.admin.patch(f"/customers/{id_}", {"status": "INACTIVE"}),
        ),
    ),
    "accounts.index": Listed(
        lambda _: [],
        lambda book: created(
            book.admin.post(f"/customers/{book.debt['id']}/account/deposits", {"amount": "2"})
        ),
        {},
        order=("created_at",),  # its ids are those of journals
        is_theirs=lambda *_: True,  # the account is their customer's
    ),
    "imports.index": Listed(
        lambda _: [], lambda book: book.admin.post("/customers/imports", data=good_form()), {}
    ),
    "imports.errors": Listed(
        lambda _: [],
        lambda book: book.add_refused_line(),
        {},
        order=("line",),
        is_descending=False,
    ),
    "loans.index": Listed(
        lambda book: [
            *({"sort": "oldest"}, {"sort": "newest"}, *DAYS, {**RANGE, "sort": "oldest"}),
            *({"status": ["PENDING"]}, {"status": ["PENDING", "PENDING"], "sort": "oldest"}),
            *({"status": ["PENDING", "FLAGGED"], "sort": sort} for sort in ("newest", "oldest")),
            {"status": ["REJECTED", "WITHDRAWN", "ACTIVE", "PAID"], **RANGE},
            *({"customer": book.debt[name]} for name in ("id", "external_id")),
            *({"min_amount": "5000"}, {"max_amount": "8000.00", "status": ["FLAGGED", "PENDING"]}),
            *({"min_risk": "0.3"}, {"max_risk": "0.40", "min_amount": "2000"}),
            *({"flagged": "true"}, {"flagged": "false", "sort": "oldest"}),
            {"flagged": "true", "status": ["FLAGGED"], **RANGE},
            {"flagged": "false", "status": ["ACTIVE", "PENDING"], "max_risk": "0.9"},
        ],
        lambda book: book.applicant.make_loan(),
        {
            "status": lambda row, statuses: row["status"] in statuses,
            "customer": _of_customer,
            "min_amount": _bound("amount", is_least=True),
            "max_amount": _bound("amount", is_least=False),
            "min_risk": _bound("risk_score", is_least=True),
            "max_risk": _bound("risk_score", is_least=False),
            "flagged": _is_true("fraud_flags"),
        },
        is_theirs=_made_by_them,
        leaving=(
            {"status": ["PENDING", "FLAGGED"]},
            lambda book, id_: book.admin.post(f"/loans/{id_}/reject", WHY),
        ),
    ),
    "payments.index": Listed(
        lambda book: [
            *DAYS,
            *({"customer": book.debt["id"]}, {"customer": "in debt", "status": "COMPLETED"}),
            *({"status": status} for status in ("COMPLETED", "REJECTED", "REVERSED")),
            {"status": "COMPLETED", **RANGE},
        ],
        lambda book: book.admin.pay(book.debt["id"], "1.00"),
        {"status": _same("status"), "customer": _of_customer},
        is_theirs=lambda book, row: row["customer_id"] == book.debt["id"],
    ),
    "reports.trail": Listed(
        lambda book: [
            *(*DAYS, RANGE, {"action": "loan.applied"}, {"actor_id": book.admin.id}),
            {"action": "loan.applied", "actor_id": book.applicant.id, "from": "2026-01-30"},
            {"subject_id": book.debt["id"]},
        ],
        lambda book: created(book.admin.post("/loans/", {**LOAN, "customer_id": book.debt["id"]})),
        {name: _same(name) for name in ("subject_id", "actor_id", "action")},
        order=("at", "id"),
    ),
}
