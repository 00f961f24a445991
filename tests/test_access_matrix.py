"""Who may do what: every route, for every kind of caller, with the status each is answered.

A route that is missing here fails, and so does a row whose route is gone. To add a route, add its
row; if it sends a body, name that body in BODIES; if its path has a value that is not here yet, say
in PLACES what stands there.
"""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.models import Role
from tests.attacks import good_form
from tests.authenticator import Authenticator, give
from tests.credentials import key_holder, session_of
from tests.factories import LOAN, PASSWORD, Caller, Lender, created
from tests.matrix import Cells, an_import, protected, routes, rows_of, with_an_entry

# owner       the applicant who made the record of the path, or whose record it is
# stranger    another applicant
# key/officer, key/applicant    a program with an API key of that role
# refresh     an admin's refresh token
# revoked     an admin's access token, after they logged out
MATRIX = """
method route                              sends    anonymous owner stranger officer admin key/officer key/applicant refresh revoked

GET    /                                  -              200   200      200     200   200         200           200     200     200
GET    /healthz                           -              200   200      200     200   200         200           200     200     200
GET    /ping                              -              200   200      200     200   200         200           200     200     200
GET    /metrics                           -              200   200      200     200   200         200           200     200     200
GET    /openapi.json                      -              200   200      200     200   200         200           200     200     200
GET    /swagger/                          -              200   200      200     200   200         200           200     200     200
GET    /swagger/assets/<path:name>        -              200   200      200     200   200         200           200     200     200
GET    /redoc/                            -              200   200      200     200   200         200           200     200     200
GET    /redoc/assets/<path:name>          -              200   200      200     200   200         200           200     200     200
GET    /static/<path:filename>            -              200   200      200     200   200         200           200     200     200

POST   /auth/register                     user           401   403      403     403   201         403           403     401     401
POST   /auth/login                        log-in         200   200      200     200   200         200           200     200     200
POST   /auth/refresh                      -              401   401      401     401   401         401           401     200     401
POST   /auth/logout                       -              401   204      204     204   204         403           403     204     401
GET    /auth/users                        -              401   403      403     403   200         403           403     401     401
GET    /auth/users/me                     -              401   200      200     200   200         403           403     401     401
PATCH  /auth/users/me                     nickname       401   200      200     200   200         403           403     401     401
POST   /auth/users/me/password            password       401   204      204     204   204         403           403     401     401
POST   /auth/users/me/totp                proof          401   201      201     201   201         403           403     401     401
POST   /auth/users/me/totp/confirm        code/first     401   200      200     200   200         403           403     401     401
POST   /auth/users/me/totp/recovery-codes code           401   200      200     200   200         403           403     401     401
DELETE /auth/users/me/totp                proof/code     401   204      204     204   204         403           403     401     401
GET    /auth/users/<uuid:user_id>         -              401   200      404     404   200         404           404     401     401
PATCH  /auth/users/<uuid:user_id>         role           401   403      403     403   200         403           403     401     401
PATCH  /auth/users/<uuid:user_id>         nickname       401   403      403     403   200         403           403     401     401
DELETE /auth/users/<uuid:user_id>/totp    -              401   403      403     403   204         403           403     401     401
POST   /auth/api-keys                     key            401   403      403     403   201         403           403     401     401
GET    /auth/api-keys                     -              401   403      403     403   200         403           403     401     401
DELETE /auth/api-keys/<uuid:key_id>       -              401   403      403     403   204         403           403     401     401

POST   /customers/                        customer       401   201      201     201   201         201           201     401     401
POST   /customers/                        limited        401   403      403     201   201         201           403     401     401
GET    /customers/                        -              401   200      200     200   200         200           200     401     401
GET    /customers/export                  -              401   403      403     200   200         200           403     401     401
GET    /customers/<ref>                   -              401   200      404     200   200         200           404     401     401
PATCH  /customers/<ref>                   name           401   200      404     200   200         200           404     401     401
PATCH  /customers/<ref>                   limit          401   403      404     200   200         200           404     401     401
PATCH  /customers/<ref>                   status         401   403      404     200   200         200           404     401     401
DELETE /customers/<ref>                   -              401   403      403     204   204         204           403     401     401
GET    /customers/<ref>/balance           -              401   200      404     200   200         200           404     401     401
GET    /customers/<ref>/account/          -              401   200      404     200   200         200           404     401     401
GET    /customers/<ref>/account/entries   -              401   200      404     200   200         200           404     401     401
POST   /customers/<ref>/account/deposits  amount         401   403      403     201   201         201           403     401     401
POST   /customers/<ref>/account/withdrawals amount       401   403      403     201   201         201           403     401     401
POST   /customers/<ref>/account/entries/<entry>/reverse reason 401 403   403     403   201         403           403     401     401

POST   /customers/imports                 file           401   403      403     202   202         202           403     401     401
GET    /customers/imports                 -              401   403      403     200   200         200           403     401     401
GET    /customers/imports/<uuid:import_id> -             401   403      403     200   200         200           403     401     401
GET    /customers/imports/<uuid:import_id>/errors -      401   403      403     200   200         200           403     401     401

POST   /loans/                            loan           401   201      404     201   201         201           404     401     401
GET    /loans/                            -              401   200      200     200   200         200           200     401     401
GET    /loans/export                      -              401   403      403     200   200         200           403     401     401
GET    /loans/<ref>                       -              401   200      404     200   200         200           404     401     401
GET    /loans/<ref>/history               -              401   200      404     200   200         200           404     401     401
GET    /loans/<ref>/flags                 -              401   200      404     200   200         200           404     401     401
GET    /loans/<ref>/risk                  -              401   200      404     200   200         200           404     401     401
PATCH  /loans/<ref>                       amount         401   200      404     200   200         200           404     401     401
PATCH  /loans/<ref>                       decision       401   403      403     403   200         403           403     401     401
POST   /loans/<ref>/approve               reason         401   403      403     403   200         403           403     401     401
POST   /loans/<ref>/reject                reason         401   403      403     403   200         403           403     401     401
POST   /loans/<ref>/flag                  reason         401   403      403     403   200         403           403     401     401
POST   /loans/<ref>/clear-flags           reason         401   403      403     403   200         403           403     401     401
POST   /loans/<ref>/withdraw              reason         401   200      404     403   200         403           404     401     401
POST   /loans/<ref>/activate              reason         401   403      403     403   200         403           403     401     401

POST   /payments/                         payment        401   403      403     201   201         201           403     401     401
GET    /payments/                         -              401   200      200     200   200         200           200     401     401
GET    /payments/export                   -              401   403      403     200   200         200           403     401     401
GET    /payments/<ref>                    -              401   200      404     200   200         200           404     401     401
POST   /payments/<ref>/reverse            reason         401   403      403     403   201         403           403     401     401

GET    /reports/portfolio                 -              401   403      403     403   200         403           403     401     401
GET    /reports/audit                     -              401   403      403     403   200         403           403     401     401
"""  # noqa: E501

# Pages have a matrix of their own, in tests/console.
PAGES = ("console", "honeypot")
_numbers = count(1)


class World:
    """The callers of one row; `maker` is the owner and `keeper` the admin, in other sessions."""

    def __init__(self, lender: Lender) -> None:
        owner, stranger = lender.user(Role.APPLICANT), lender.user(Role.APPLICANT)
        officer, admin = lender.user(Role.OFFICER), lender.user(Role.ADMIN)
        _, refresher = session_of(admin)
        revoked, _ = session_of(admin)
        revoked.post("/auth/logout")
        self.maker, self.keeper = session_of(owner)[0], session_of(admin)[0]
        self.callers = {
            "anonymous": Caller(lender.app),
            "owner": owner,
            "stranger": stranger,
            "officer": officer,
            "admin": admin,
            "key/officer": key_holder(admin, Role.OFFICER),
            "key/applicant": key_holder(admin, Role.APPLICANT),
            "refresh": refresher,
            "revoked": revoked,
        }


# The record of the owner's that a path names by its id; the longest path that fits, counts. What
# else the path names, the record holds under that name.
PLACES: dict[str, Callable[[World], dict[str, Any]]] = {
    "/auth/users/<uuid:user_id>": lambda world: {"id": world.maker.id},
    "/auth/users/<uuid:user_id>/totp": lambda world: protected(world.maker),
    "/auth/api-keys/<uuid:key_id>": lambda world: key_holder(world.keeper, Role.OFFICER).record,
    "/customers/<ref>": lambda world: world.maker.make_customer(external_id=new_name()),
    "/customers/<ref>/account/withdrawals": lambda world: depositor(world),
    "/customers/<ref>/account/entries/<entry>": lambda world: depositor(world),
    "/customers/imports/<uuid:import_id>": lambda world: an_import(world.keeper),
    "/loans/<ref>": lambda world: world.maker.make_loan(external_id=new_name()),
    "/loans/<ref>/clear-flags": lambda world: flagged_loan(world),
    "/payments/<ref>": lambda world: payment(world),
    "/swagger/assets/<path:name>": lambda _: {"id": "swagger-ui.css"},
    "/redoc/assets/<path:name>": lambda _: {"id": "logo-mini.svg"},
    "/static/<path:filename>": lambda _: {"id": "docs.css"},
}

# What a request sends; `ref` is what stands in its path, or names the owner's customer who borrows
# or pays. A file goes as a form.
BODIES: dict[str, Callable[[World, str], dict[str, Any] | None]] = {
    "-": lambda *_: None,
    "user": lambda *_: {"email": new_email(), "password": PASSWORD},
    "log-in": lambda world, _: {"email": world.maker.user.email, "password": PASSWORD},
    "nickname": lambda *_: {"nickname": "Nick"},
    "password": lambda *_: {"current_password": PASSWORD, "new_password": "another " + PASSWORD},
    "proof": lambda *_: {"current_password": PASSWORD},
    "code/first": lambda world, _: {"otp": code(world, is_enabled=False)},
    "code": lambda world, _: {"otp": code(world, is_enabled=True)},
    "proof/code": lambda world, _: {
        "current_password": PASSWORD,
        "otp": code(world, is_enabled=True),
    },
    "role": lambda *_: {"role": "officer"},
    "key": lambda *_: {"name": "a program", "role": "applicant"},
    "customer": lambda *_: {"first_name": "A", "last_name": "B", "email": new_email()},
    "limited": lambda *_: {"external_id": new_name(), "credit_limit": "1.00"},
    "name": lambda *_: {"first_name": "Grace"},
    "file": lambda *_: None,
    "limit": lambda *_: {"credit_limit": "1000000.00"},
    "status": lambda *_: {"status": "INACTIVE"},
    "loan": lambda _, ref: {**LOAN, "customer_id": ref},
    "amount": lambda *_: {"amount": "1000.00"},
    "decision": lambda *_: {"status": "REJECTED"},
    "reason": lambda *_: {"reason": "because"},
    "payment": lambda _, ref: {"customer_id": ref, "total_amount": "1.00"},
}


class Row(Cells):
    @property
    def place(self) -> str:
        """The key of PLACES for the record that the path names, or the body does."""
        path = "/customers/<ref>" if self.sends in ("loan", "payment") else self.route
        return max((place for place in PLACES if path.startswith(place)), key=len, default="")

    @property
    def guards_a_record(self) -> bool:
        return self.place != "" and self.expected["anonymous"] == 401

    @property
    def spends_credentials(self) -> bool:
        return self.route.startswith("/auth/") and self.method != "GET"

    def record(self, world: World) -> dict[str, Any]:
        return PLACES[self.place](world) if self.place else {"id": ""}

    def send(self, world: World, caller: str, record: dict[str, Any]) -> TestResponse:
        send = getattr(world.callers[caller], self.method.lower())
        body = BODIES[self.sends](world, record["id"])
        form = {"data": good_form()} if self.sends == "file" else {}
        response: TestResponse = send(
            self.path(record), body, headers={"X-Request-ID": "same"}, **form
        )
        response.get_data()
        response.close()
        return response


def code(world: World, *, is_enabled: bool) -> str:
    """What the app shows that all users have now, whoever of them sends it."""
    app, users = Authenticator(), ("owner", "stranger", "officer", "admin")
    give(app, *(world.callers[name] for name in users), is_enabled=is_enabled)
    return app.code()


def flagged_loan(world: World) -> dict[str, Any]:
    loan = world.maker.make_loan(external_id=new_name())
    flagged = world.keeper.post(f"/loans/{loan['id']}/flag", {"reason": "odd"})
    return dict(flagged.get_json())


def depositor(world: World) -> dict[str, Any]:
    return with_an_entry(world.keeper, world.maker.make_customer(external_id=new_name()))


def payment(world: World) -> dict[str, Any]:
    """One towards a loan of the owner's."""
    loan = world.maker.make_loan()
    assert world.keeper.post(f"/loans/{loan['id']}/activate").status_code == 200
    body = {"customer_id": loan["customer_id"], "total_amount": "1.00", "external_id": new_name()}
    return created(world.keeper.post("/payments/", body))


def new_email() -> str:
    return f"{new_name()}@example.com"


def new_name() -> str:
    return f"matrix-{next(_numbers)}"


@cache
def rows() -> tuple[Row, ...]:
    return rows_of(MATRIX, Row)


every_row = pytest.mark.parametrize("row", rows(), ids=str)
every_row_of_a_record = pytest.mark.parametrize(
    "row", [row for row in rows() if row.guards_a_record], ids=str
)


@pytest.fixture(scope="module")
def lasting_world(lasting_lender: Lender) -> World:
    return World(lasting_lender)


@pytest.fixture
def world(row: Row, lasting_lender: Lender, lasting_world: World) -> World:
    """One for all rows, but for those that end a session or change a user."""
    return World(lasting_lender) if row.spends_credentials else lasting_world


def test_every_route_has_its_row_and_every_row_its_route(app: Flask) -> None:
    asked = {(method, path) for room, method, path in routes(app) if room not in PAGES}
    assert {(row.method, row.route) for row in rows()} == asked


def test_no_row_stands_twice() -> None:
    assert len({str(row) for row in rows()}) == len(rows())


@every_row
def test_everyone_is_answered_as_the_matrix_says(row: Row, world: World) -> None:
    answers: dict[str, TestResponse] = {}
    record = row.record(world)
    for caller in row.expected:
        answers[caller] = row.send(world, caller, record)
        if row.method != "GET" and answers[caller].status_code < 300:
            record = row.record(world)
    assert {caller: answer.status_code for caller, answer in answers.items()} == row.expected
    assert all(
        answer.content_type == "application/problem+json"
        and ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
        for answer in answers.values()
        if answer.status_code >= 400
    )


@every_row_of_a_record
def test_anothers_record_reads_like_one_that_is_not_there(row: Row, world: World) -> None:
    record = row.record(world)
    names = [(record["id"], str(uuid4()))]
    if "<ref>" in row.route:
        names.append((record["external_id"], new_name()))
    for caller in ("stranger", "key/applicant"):
        for pair in names:
            there, gone = (row.send(world, caller, {**record, "id": name}) for name in pair)
            assert there.status_code == row.expected[caller]
            assert there.get_data() == gone.get_data()
            assert there.headers == gone.headers


@pytest.mark.parametrize("path", ["/customers/", "/loans/", "/payments/"])
def test_an_applicants_list_holds_nothing_of_anothers(path: str, lasting_lender: Lender) -> None:
    world = World(lasting_lender)
    payment(world)
    found = {
        name: world.callers[name].get(path).get_json() for name in ("stranger", "key/applicant")
    }
    assert found == {"stranger": [], "key/applicant": []}
    assert len(world.callers["owner"].get(path).get_json()) == 1
