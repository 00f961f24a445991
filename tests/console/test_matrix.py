"""Who may open and do what at the console: every route, for every kind of visitor.

A route that is missing here fails, and so does a row whose route is gone. To add a page, add its
row; if it sends a form, name that form in FORMS; if its path has a value that is not here yet, say
in PLACES what stands there.
"""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.models import Role
from tests.attacks import fingerprint, good_form
from tests.console.desk import Desk, seated
from tests.credentials import key_holder
from tests.factories import LOAN, PASSWORD, Caller, Lender
from tests.matrix import Cells, an_import, protected, routes, rows_of, with_an_entry

# demoted     an officer who became an applicant while at the console
# 303         a form that was done leads on; a page without a session leads to the log-in
MATRIX = """
method route                                     sends       anonymous demoted officer admin

GET    /                                         -                 303     403     303   200
GET    /<path:rest>                              -                 303     403     404   404
GET    /login                                    -                 200     200     200   200
POST   /login                                    log-in            303     303     303   303
POST   /logout                                   -                 401     403     303   303
GET    /me/                                      -                 303     403     200   200
POST   /me/password                              password          401     403     303   303
GET    /me/second-factor/                        -                 303     403     200   200
POST   /me/second-factor/                        own-password      401     403     200   200
POST   /me/second-factor/confirm                 code              401     403     409   409
POST   /me/second-factor/recovery-codes          code              401     403     409   409
POST   /me/second-factor/end                     password-and-code 401     403     409   409

GET    /review/                                  -                 303     403     200   200
POST   /review/                                  choice            401     403     403   303
GET    /loans/                                   -                 303     403     200   200
GET    /loans/export                             -                 303     403     200   200
GET    /loans/<ref>                              -                 303     403     200   200
POST   /loans/<ref>/decision                     approve           401     403     403   303
POST   /loans/<ref>/decision                     reject            401     403     403   303
POST   /loans/<ref>/decision                     flag              401     403     403   303
POST   /loans/<ref>/decision                     clear-flags       401     403     403   303
POST   /loans/<ref>/decision                     withdraw          401     403     403   303
POST   /loans/<ref>/decision                     activate          401     403     403   303
POST   /loans/<ref>/edit                         purpose           401     403     303   303

GET    /customers/                               -                 303     403     200   200
GET    /customers/export                         -                 303     403     200   200
POST   /customers/                               customer          401     403     303   303
GET    /customers/<ref>                          -                 303     403     200   200
POST   /customers/<ref>/edit                     limit             401     403     303   303
POST   /customers/<ref>/loans                    loan              401     403     303   303
POST   /customers/<ref>/deposits                 amount            401     403     303   303
POST   /customers/<ref>/withdrawals              amount            401     403     303   303
POST   /customers/<ref>/entries/<entry>/reverse  reason            401     403     403   303

GET    /payments/                                -                 303     403     200   200
GET    /payments/export                          -                 303     403     200   200
POST   /payments/                                payment           401     403     303   303
GET    /payments/<ref>                           -                 303     403     200   200
POST   /payments/<ref>/reverse                   reason            401     403     403   303

GET    /imports/                                 -                 303     403     200   200
POST   /imports/                                 file              401     403     303   303
GET    /imports/<uuid:import_id>                 -                 303     403     200   200
GET    /imports/<uuid:import_id>/progress        -                 303     403     303   303
GET    /imports/<uuid:import_id>/errors/export   -                 303     403     200   200

GET    /users/                                   -                 303     403     403   200
POST   /users/                                   user              401     403     403   303
GET    /users/export                             -                 303     403     403   200
GET    /users/<uuid:user_id>                     -                 303     403     404   200
POST   /users/<uuid:user_id>                     nickname          401     403     403   303
POST   /users/<uuid:user_id>/second-factor/reset -                 401     403     403   303
GET    /api-keys/                                -                 303     403     403   200
GET    /api-keys/export                          -                 303     403     403   200
POST   /api-keys/                                key               401     403     403   200
POST   /api-keys/<uuid:key_id>/revoke            -                 401     403     403   303
GET    /audit/                                   -                 303     403     403   200
GET    /audit/export                             -                 303     403     403   200
GET    /audit/honeypot                           -                 303     403     403   200
GET    /audit/honeypot/export                    -                 303     403     403   200
"""
HONEYPOT = {
    *(("GET", "/admin/"), ("GET", "/admin/<path:rest>")),
    *(("POST", "/admin/"), ("POST", "/admin/<path:rest>")),
}
_numbers = count(1)


class World:
    """The visitors, and the admin who makes the records of the paths."""

    def __init__(self, lender: Lender) -> None:
        self.keeper = lender.user(Role.ADMIN)
        self.other = lender.user(Role.APPLICANT)
        self.desks = {
            "anonymous": Desk(lender.app, lender.user(Role.OFFICER).user),
            "demoted": seated(lender.app, self._demoted_later(lender).user),
            "officer": seated(lender.app, lender.user(Role.OFFICER).user),
            "admin": seated(lender.app, lender.user(Role.ADMIN).user),
        }
        # What a form needs is known to them, by the page before.
        self.tokens = {name: desk.token() for name, desk in self.desks.items()}
        change = {"role": "applicant"}
        assert self.keeper.patch(f"/auth/users/{self.leaver.id}", change).status_code == 200

    def _demoted_later(self, lender: Lender) -> Caller:
        self.leaver = lender.user(Role.OFFICER)
        return self.leaver


PLACES: dict[str, Callable[[World], dict[str, Any]]] = {
    "/review/": lambda world: world.keeper.make_loan(),
    "/loans/<ref>": lambda world: world.keeper.make_loan(),
    "/customers/<ref>": lambda world: with_an_entry(world.keeper, world.keeper.make_customer()),
    "/payments/<ref>": lambda world: payment(world),
    "/payments/": lambda world: payer(world),
    "/imports/<uuid:import_id>": lambda world: an_import(world.keeper),
    "/users/<uuid:user_id>": lambda world: {"id": world.other.id},
    "/users/<uuid:user_id>/second-factor": lambda world: protected(world.other),
    "/api-keys/<uuid:key_id>": lambda world: key_holder(world.keeper, Role.OFFICER).record,
    "/<path:rest>": lambda _: {"id": "nowhere"},
}
FORMS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "-": lambda *_: {},
    "password": lambda *_: {"current_password": PASSWORD, "new_password": PASSWORD + " too"},
    "own-password": lambda *_: {"current_password": PASSWORD},
    "code": lambda *_: {"otp": "123456"},
    "password-and-code": lambda *_: {"current_password": PASSWORD, "otp": "123456"},
    "choice": lambda world, loan: {
        "loan": tag_of(world, loan),
        "decision": "reject",
        "reason": "because",
    },
    **{
        decision: lambda *_, decision=decision: {"decision": decision, "reason": "because"}
        for decision in ("approve", "reject", "flag", "withdraw", "activate", "clear-flags")
    },
    "purpose": lambda *_: {"purpose": "another"},
    "customer": lambda *_: {"external_id": new_name()},
    "limit": lambda *_: {"credit_limit": "1000000.00"},
    "loan": lambda *_: dict(LOAN),
    "amount": lambda *_: {"amount": "1.00"},
    "reason": lambda *_: {"reason": "because"},
    "payment": lambda _, customer: {"customer": customer["id"], "total_amount": "1.00"},
    "file": lambda *_: {"dry_run": "false", **good_form()},
    "user": lambda *_: {"email": f"{new_name()}@example.com", "password": PASSWORD},
    "nickname": lambda *_: {"nickname": new_name()},
    "key": lambda *_: {"name": "a program", "role": "officer"},
}


class Row(Cells):
    @property
    def spends_sessions(self) -> bool:
        return self.route in ("/login", "/logout") or self.route.startswith("/me/")

    def record(self, world: World) -> dict[str, Any]:
        fits = [place for place in PLACES if self.route.startswith(place)]
        if not fits or (self.method, self.route) == ("GET", "/payments/"):
            return {"id": ""}
        record = PLACES[max(fits, key=len)](world)
        if self.sends == "clear-flags":
            flagged = world.keeper.post(f"/loans/{record['id']}/flag", {"reason": "odd"})
            assert flagged.status_code == 200
        return record

    def send(self, world: World, visitor: str, record: dict[str, Any]) -> TestResponse:
        desk = world.desks[visitor]
        path = self.path(record)
        if self.method == "GET":
            return desk.get(path)
        if self.sends == "log-in":
            assert desk.user is not None
            form = {"email": desk.user.email, "password": PASSWORD}
            return desk.post(path, {**form, "email": world.keeper.user.email})
        return desk.post(path, {"csrf": world.tokens[visitor], **FORMS[self.sends](world, record)})


def tag_of(world: World, loan: dict[str, Any]) -> str:
    return str(world.keeper.get(f"/loans/{loan['id']}").headers["ETag"].strip('"'))


def payer(world: World) -> dict[str, Any]:
    """A customer who owes something."""
    return {"id": world.keeper.make_debt()["customer_id"]}


def payment(world: World) -> dict[str, Any]:
    return world.keeper.pay(payer(world)["id"], "1.00")


def new_name() -> str:
    return f"console-{next(_numbers)}"


@cache
def rows() -> tuple[Row, ...]:
    return rows_of(MATRIX, Row)


@pytest.fixture(scope="module")
def lasting_world(lasting_lender: Lender) -> World:
    return World(lasting_lender)


@pytest.fixture
def world(row: Row, lasting_lender: Lender, lasting_world: World) -> World:
    return World(lasting_lender) if row.spends_sessions else lasting_world


def test_every_route_has_its_row_and_every_row_its_route(app: Flask) -> None:
    pages = {(method, path) for room, method, path in routes(app) if room == "console"}
    assert {(row.method, f"/console{row.route}") for row in rows()} == pages
    assert {(method, path) for room, method, path in routes(app) if room == "honeypot"} == HONEYPOT


def test_every_route_is_a_page(app: Flask) -> None:
    """Or its forms would not be asked where they come from, nor its visitors who they are."""
    pages = [name for name in app.view_functions if name.startswith("console.")]
    assert len(pages) > 30
    assert [name for name in pages if not hasattr(app.view_functions[name], "page")] == []


def test_the_log_in_alone_is_open(app: Flask) -> None:
    opened = {
        name
        for name, view in app.view_functions.items()
        if hasattr(view, "page") and view.page.is_open
    }
    assert opened == {"console.door.show", "console.door.log_in"}


@pytest.mark.parametrize("row", rows(), ids=str)
def test_everyone_is_answered_as_the_matrix_says(row: Row, world: World) -> None:
    record = row.record(world)
    found = {}
    for visitor, status in row.expected.items():
        before = fingerprint(world.keeper.app)
        answer = row.send(world, visitor, record)
        found[visitor] = answer.status_code
        is_file = status == 200 and row.route.endswith("/export")
        assert answer.mimetype == ("text/csv" if is_file else "text/html")
        answer.close()
        if status >= 400:
            assert fingerprint(world.keeper.app) == before
    assert found == row.expected
