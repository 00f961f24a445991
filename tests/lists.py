"""A lender whose every list has several pages, and the way from one of them to the next."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.models import Role
from tests.attacks import Route, World, good_form, query
from tests.factories import Caller, created
from tests.filters import LISTED, WHY, Row, id_of

ROWS = 13
SIZE = 5
LARGEST = 100
LINK = re.compile(r'<([^>]*)>; rel="(\w+)"')

# Every fifth of a kind at one moment, from the end of one month on into the next.
SPREAD = """
WITH ranked AS (SELECT id, row_number() OVER (ORDER BY id) AS rank FROM {table})
UPDATE {table}
SET {moment} = timestamptz '2026-01-29 23:59:59.999999Z' + rank % 5 * interval '1 day'
FROM ranked WHERE ranked.id = {table}.id
"""
REFUSE = """
INSERT INTO customer_import_errors (import_id, line, value, reason)
SELECT :id, coalesce(max(line), 0) + 2, 'no-limit', 'Must have two fields or three.'
FROM customer_import_errors WHERE import_id = :id
"""
MOMENTS = {
    **dict.fromkeys(
        ("users", "api_keys", "customers", "loans", "payments", "customer_imports"), "created_at"
    ),
    "audit_events": "at",
}
APPEND_ONLY = frozenset(("payments", "audit_events"))


class Book(World):
    """A lender with more than two pages of each kind of record, of several people and days.

    All records there are, these and others, are spread over some days, unless that is left out.
    """

    def __init__(self, app: Flask, *, is_spread: bool = True) -> None:
        super().__init__(app)
        self.debt = self.applicant.make_customer(external_id="in debt")
        owed = self.applicant.make_loan(self.debt, amount="5000.00")
        assert self.admin.post(f"/loans/{owed['id']}/activate").status_code == 200
        for number in range(ROWS):
            self._add_people(number)
            self._add_loan(number)
            self._add_money(number)
            self.admin.post("/customers/imports", data=good_form())
            self.add_refused_line()
        self.records["customer"] = self.debt["id"]
        if is_spread:
            spread(app)

    def _add_people(self, number: int) -> None:
        user = self.lender.user(list(Role)[number % 3])
        change = {"is_active": number % 4 > 0, "nickname": "Ada" if number % 2 else None}
        assert self.admin.patch(f"/auth/users/{user.id}", change).status_code == 200
        key = {"name": f"job {number}", "role": "applicant"}
        created(self.admin.post("/auth/api-keys", key))

    def _add_loan(self, number: int) -> None:
        maker = self.applicant if number % 2 else self.admin
        customer = maker.make_customer(last_name="Fivevans" if number % 3 else "Other")
        if number % 5 == 4:
            self.admin.patch(f"/customers/{customer['id']}", {"status": "INACTIVE"})
            customer = self.debt
        asked = {"amount": f"{number + 1}000.00", "expenses": f"{number % 4 + 1}0000.00"}
        loan = maker.make_loan(customer, **asked)
        deed = ("flag", "reject", None, "withdraw", "flag", None)[number % 6]
        if deed is not None:
            self.admin.post(f"/loans/{loan['id']}/{deed}", WHY)

    def _add_money(self, number: int) -> None:
        """Payments that are taken, refused, and undone; and what is paid in beside them."""
        customer = self.debt["id"] if number % 4 else self.records["customer"]
        paid = self.admin.pay(customer, "1.00" if number % 3 else "100000.00")
        if number % 6 == 1:
            created(self.admin.post(f"/payments/{paid['id']}/reverse", WHY))
        created(self.admin.post(f"/customers/{self.debt['id']}/account/deposits", {"amount": "1"}))

    def add_refused_line(self) -> None:
        """Another line that the import did not take, further down in its file."""
        with self.app.app_context(), transaction():
            db.session.execute(text(REFUSE), {"id": self.records["import"]})

    def add_to(self, route: Route) -> None:
        """One more of what the route lists."""
        LISTED[route.rule.endpoint].add(self)

    def page(self, route: Route, caller: Caller | None = None, **asked: Any) -> TestResponse:
        """What the route answers, which must be a page."""
        caller = caller or self.admin
        answer: TestResponse = self.send(route, caller=caller, query_string=query(**asked))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer

    def whole(self, route: Route, caller: Caller | None = None) -> list[Row]:
        """All there is, in the list's order, by numbers of pages."""
        rows: list[Row] = []
        while True:
            page = len(rows) // LARGEST + 1
            answer = self.page(route, caller, page=page, page_size=LARGEST)
            rows += answer.get_json()
            if len(rows) == int(answer.headers["X-Total-Count"]):
                return rows


def spread(app: Flask) -> None:
    """Have all records been made within some days, several at each moment."""
    with app.app_context(), transaction():
        for table, moment in MOMENTS.items():
            guard = f"ALTER TABLE {table} {{}} TRIGGER append_only"
            if table in APPEND_ONLY:
                db.session.execute(text(guard.format("DISABLE")))
            db.session.execute(text(SPREAD.format(table=table, moment=moment)))
            if table in APPEND_ONLY:
                db.session.execute(text(guard.format("ENABLE")))


def ids(answer: TestResponse) -> list[Any]:
    """What tells the rows apart."""
    return list(map(id_of, answer.get_json()))


def links(answer: TestResponse) -> dict[str, str]:
    return {rel: url for url, rel in LINK.findall(answer.headers["Link"])}


def cursor_to(rel: str, answer: TestResponse) -> str:
    """The cursor in the link to the next or the previous page."""
    (cursor,) = parse_qs(urlsplit(links(answer)[rel]).query)["cursor"]
    return cursor


def follow(caller: Caller, answer: TestResponse, rel: str) -> Iterator[TestResponse]:
    """The page itself, and those that its links lead to in that direction, one by one."""
    while True:
        yield answer
        if rel not in links(answer):
            return
        answer = caller.get(links(answer)[rel])
        assert answer.status_code == 200, answer.get_data(as_text=True)
