"""Every route of the service as an attacker sees it: where it is, what it reads, what to send it.

All of it follows from the contracts, so that a new route is attacked as soon as it exists. A route
whose path or body is not known here fails the tests until `LIVING` or `GOOD` names one.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from flask import Flask
from marshmallow import Schema, fields
from sqlalchemy import text
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import config, create_app
from app.db import Base, db
from app.models import Role
from app.schemas.auth import OtpIn, TotpEndIn
from app.schemas.fields import (
    Choice,
    Day,
    Email,
    ExternalId,
    Id,
    Instant,
    Money,
    Names,
    Otp,
    Phone,
    Reference,
    Score,
    Secret,
    Text,
    Truth,
    Whole,
)
from app.web.endpoint import Contract
from app.web.openapi import contracts
from tests.authenticator import Authenticator, give
from tests.factories import LOAN, PASSWORD, Caller, Lender, created

Field = fields.Field[Any]

_numbers = count(1)

# What changes with every log-in or on its own, and is no business record.
TECHNICAL = {
    *("login_sessions", "login_failures", "generations", "flag_notices", "kept_answers"),
    *("known_places", "signing_keys"),
    *("tallies", "tally_changes", "tally_folds"),
    *("search_tallies", "search_changes", "honeypot_visits"),
}
MEMBERS = {"type", "title", "status", "code", "detail", "message", "request_id"}

# A body that each schema accepts, with `{customer}` and the like filled in.
GOOD: dict[str, dict[str, Any]] = {
    "RegisterIn": {
        "email": "new{number}@lender.example.com",
        "password": PASSWORD,
        "nickname": "New",
    },
    "LoginIn": {"email": "{email}", "password": PASSWORD},
    "NicknameIn": {"nickname": "Ada"},
    "PasswordChangeIn": {"current_password": PASSWORD, "new_password": "a longer one than that"},
    "TotpIn": {"current_password": PASSWORD},
    "OtpIn": {"otp": "{otp}"},
    "TotpEndIn": {"current_password": PASSWORD, "otp": "{otp}"},
    "UserPatchIn": {"nickname": "Grace"},
    "ApiKeyIn": {"name": "nightly job", "role": "officer"},
    "CustomerIn": {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "ada{number}@example.com",
    },
    "CustomerPatchIn": {"first_name": "Grace"},
    "LoanIn": {**LOAN, "customer_id": "{customer}"},
    "LoanPatchIn": {"purpose": "a larger van"},
    "PaymentIn": {"customer_id": "{customer}", "total_amount": "1.00"},
    "MovementIn": {"amount": "1.00"},
    "ReasonIn": {"reason": "as discussed"},
    "ReasonRequiredIn": {"reason": "as discussed"},
}

# Which record stands for a path's parameter.
LIVING = {
    "customers.ref": "customer",
    "accounts.ref": "customer",
    "accounts.entry": "entry",
    "loans.ref": "loan",
    "payments.ref": "payment",
    "auth.user_id": "user",
    "auth.key_id": "key",
    "imports.import_id": "import",
    "auth.reset_totp": "protected",
    "loans.clear_flags": "flagged",
    "docs.swagger_asset": "swagger-ui.css",
    "docs.redoc_asset": "redoc.standalone.js",
}

MILLION = json.dumps("x" * 1_000_000)
NUL = r'"a\u0000b"'
NO_TEXT = ["12", "true", "[]", "{}", '["a"]', '{"a": "b"}', '""', NUL, MILLION]
NO_AMOUNT = [
    *("-0.01", "-1", '"-0.01"', "-0.00", '"-0.00"', "0.001", "1.005", '"1.005"', "0.2900000001"),
    *("true", "false", "[]", "{}", '""', '" "', '"abc"', "1000000000000", '"1000000000000.00"'),
    *(f"1{'0' * 15}", "999999999999.995", '"999999999999.995"', "9" * 5_000, f'"{"9" * 5_000}"'),
    *("1e3", "1E3", '"1e3"', "1e400", "1e-400", '"1_000"', '"1,000"', '" 12 "', '"+12"', '"012"'),
    *(r'"\uff11\uff12"', r'"\u0661\u0662"', r'"12\n"', r'"12\u0000"', '"NaN"', '"Infinity"'),
    *('"-Infinity"', '"inf"', '"0x10"', '"12."', '".5"'),
]
NO_WHOLE = [
    *('"1"', "1.0", "1.5", "1e0", "true", "-1", "0", "[]", "{}", f"1{'0' * 18}", "9" * 5_000),
    *("1e400", '""', r'"\uff11"'),
]
NO_DAY = [
    *('"0000-01-01"', '"2026-02-30"', '"2026-13-01"', '"infinity"', '"today"', '"20260101"'),
    *(r'"2026-01-01\n"', '"10000-01-01"', "20260101"),
]
NO_INSTANT = [
    *('"2026-01-01"', '"0000-01-01T00:00:00Z"', '"2026-02-30T00:00:00Z"', '"infinity"', '"now"'),
    *('"9999-12-31T23:59:59-01:00"', '"2026-01-01T00:00:00"', "1769851800"),
]

# JSON literals that a field of each type must refuse; a type has those of its nearest ancestor.
BAD: dict[type[Field], list[str]] = {
    Money: NO_AMOUNT,
    Score: [*NO_AMOUNT, "1.01", '"2"'],
    Whole: NO_WHOLE,
    Text: [*NO_TEXT, '" "', r'"a\u001b[31mb"', r'"a\r\nb"', r'"\u2028"'],
    Secret: NO_TEXT,
    Otp: [
        *(*NO_TEXT, "123456", '"12345"', '"1234567"', '" 123456"', '"123 456"', '"12345a"', '"-1"'),
        *(r'"123456\n"', r'"\uff11\uff12\uff13\uff14\uff15\uff16"', '"abcd-efgh-ijkl-mno1"'),
        *('"abcd-efgh-ijkl"', '"abcd--efgh-ijkl-mnop"', '"abcdefghijklmnopq"'),
    ],
    Email: [*NO_TEXT, '"ada"', '"ada@"', '"a b@example.com"', r'"ada@example.com\n"'],
    Phone: [*NO_TEXT, '"12"', '"call me"', r'"\uff11\uff12\uff13\uff14"'],
    ExternalId: [*NO_TEXT, '"imports"', '"EXPORT"', '"a/b"', '".."', f'"{uuid4()}"', '" a"'],
    Reference: [*NO_TEXT, '" "'],
    Choice: [*NO_TEXT, '"nobody"', '"root"', '"PENDING "', '"Admin"'],
    Names: [*NO_TEXT, '"nobody"', '"id,nobody"', '"id,id"', '"id,"', '"id id"', '"ID"'],
    Truth: ['"true"', '"yes"', "1", "0", '""', "[]"],
    Day: [*NO_TEXT, *NO_DAY],
    Instant: [*NO_TEXT, *NO_INSTANT],
    Id: [*NO_TEXT, '"1"', f'"{uuid4().hex}"', f'"{{{uuid4()}}}"', f'"{uuid4()}\\n"'],
}

# JSON literals that cannot be read at all, whatever the field.
UNREADABLE = [
    *("NaN", "Infinity", "-Infinity", "1_000", "+1", ".5", "01", "0x10", "'a'", "undefined"),
    *(r'"\ud800"', r'"a\udfffb"', r'"\udc00\ud800"', '"a', '"\0"', '"\n"', r'"\x41"', ""),
]


@dataclass(frozen=True)
class Route:
    """One method of one path, with its contract."""

    method: str
    rule: Rule
    contract: Contract

    def __str__(self) -> str:
        return f"{self.method} {self.rule.rule}"

    @property
    def needs_path(self) -> bool:
        return bool(self.rule.arguments)

    @property
    def body_fields(self) -> dict[str, Field]:
        return _by_key(self.contract.body)

    @property
    def query_fields(self) -> dict[str, Field]:
        return _by_key(self.contract.query)

    def asks_for(self, schema: type[Schema]) -> bool:
        """Whether its query has what `schema` has."""
        return self.contract.query is not None and issubclass(self.contract.query, schema)

    def path_to(self, records: Mapping[str, str]) -> str:
        """The path with a record in place of each parameter."""
        return re.sub(
            r"<(?:\w+:)?(\w+)>",
            lambda parameter: quote(records[parameter[1]], safe=""),
            self.rule.rule,
        )


class World:
    """A lender with one record of each kind, and an admin who attacks it."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.seen: dict[str, str] = {}
        self.lender = Lender(app)
        self.admin = self.lender.user(Role.ADMIN)
        self.applicant = self.lender.user(Role.APPLICANT)
        # Who has yet to confirm a second factor, and who has one, from the same app.
        self.app_of_both = Authenticator()
        self.enrolling, self.protected = (self.lender.user(Role.ADMIN) for _ in range(2))
        give(self.app_of_both, self.enrolling, is_enabled=False)
        give(self.app_of_both, self.protected, is_enabled=True)
        customer = self.admin.make_customer()
        flagged = self.admin.make_loan(customer)
        self.admin.post(f"/loans/{flagged['id']}/flag", {"reason": "odd"})
        debt = self.admin.make_loan(customer)
        self.admin.post(f"/loans/{debt['id']}/activate")
        pay = {"customer_id": customer["id"], "total_amount": "1.00"}
        deposit = f"/customers/{customer['id']}/account/deposits"
        self.records = {
            "customer": customer["id"],
            "payment": created(self.admin.post("/payments/", pay))["id"],
            "entry": created(self.admin.post(deposit, {"amount": "1.00"}))["id"],
            "loan": self.admin.make_loan(customer)["id"],
            "flagged": flagged["id"],
            "user": self.lender.user(Role.OFFICER).id,
            "protected": self.protected.id,
            "key": self.admin.post("/auth/api-keys", {"name": "k", "role": "officer"}).json["id"],
            "import": self.admin.post("/customers/imports", data=good_form()).json["id"],
        }

    def path(self, route: Route, **others: str) -> str:
        """Where the route finds living records; `others` stand in place of some."""
        blueprint = route.rule.endpoint.partition(".")[0]
        names = {
            parameter: LIVING.get(route.rule.endpoint) or LIVING[f"{blueprint}.{parameter}"]
            for parameter in route.rule.arguments
        }
        living = {parameter: self.records.get(name, name) for parameter, name in names.items()}
        return route.path_to({**living, **others})

    def good_body(self, route: Route) -> dict[str, Any]:
        known = {
            "customer": self.records["customer"],
            "email": self.admin.user.email,
            "otp": self.app_of_both.code(),
        }
        number = next(_numbers)
        return {
            name: value.format(number=number, **known) if isinstance(value, str) else value
            for name, value in GOOD[route.contract.body.__name__].items()
        }

    def send(self, route: Route, body: str | bytes | None = None, **kwargs: Any) -> TestResponse:
        """Send a raw body as JSON, what keyword arguments say, or a good file if one is taken."""
        path = kwargs.pop("path", None) or self.path(route)
        if body is not None:
            kwargs = {"data": body, "content_type": "application/json", **kwargs}
        elif route.contract.upload:
            kwargs = {"data": good_form(), **kwargs}
        caller = kwargs.pop("caller", self.caller(route))
        response: TestResponse = caller.open(path, method=route.method, buffered=True, **kwargs)
        return response

    def caller(self, route: Route) -> Caller:
        """The admin, with the kind of token that the route takes, or who has what it is about."""
        if route.contract.body in (OtpIn, TotpEndIn):
            is_confirmed = route.rule.endpoint != "auth.confirm_totp"
            return self.protected if is_confirmed else self.enrolling
        if "refresh" in route.rule.endpoint:
            return Caller(self.app, {"Authorization": f"Bearer {self.admin.refresh_token}"})
        return self.admin

    def with_literal(self, route: Route, name: str, literal: str) -> bytes:
        """The route's good body, but for one member, which is the JSON literal as it stands."""
        others = json.dumps({k: v for k, v in self.good_body(route).items() if k != name})[1:-1]
        member = f"{json.dumps(name)}: {literal}"
        return f"{{{', '.join(part for part in (others, member) if part)}}}".encode()

    def fingerprint(self) -> dict[str, str]:
        return fingerprint(self.app)


def fingerprint(app: Flask) -> dict[str, str]:
    """A hash over each business table."""
    names = sorted(set(Base.metadata.tables) - TECHNICAL)
    hashes = ", ".join(
        f"(SELECT md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {name} t) AS {name}"  # noqa: S608
        for name in names
    )
    with app.app_context(), db.engine.connect() as connection:
        return dict(connection.execute(text(f"SELECT {hashes}")).one()._mapping)


def good_form() -> dict[str, Any]:
    """A form with a file of customers, as the test client takes it: one good line, one not."""
    content = f"file-{next(_numbers)},100.00\nno-limit\n".encode()
    return {"file": (io.BytesIO(content), "customers.csv")}


def refusal(response: TestResponse) -> int:
    """The status of a refusal, which is proven to be a whole problem."""
    shown = response.get_data(as_text=True)[:500]
    assert response.status_code >= 400, f"{response.status_code}: {shown}"
    assert response.headers["Content-Type"] == "application/problem+json", shown
    problem = response.get_json()
    assert set(problem) - {"errors"} == MEMBERS, shown
    assert problem["status"] == response.status_code
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["message"] == problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    return int(response.status_code)


def bad_literals(field: Field) -> list[str]:
    """What the field must refuse as invalid."""
    literals = next(list(BAD[kind]) for kind in type(field).__mro__ if kind in BAD)
    if isinstance(field, Money) and field.positive:
        literals += ["0", "0.00", '"0"', '"0.00"']
    if isinstance(field, Text):
        literals.append(json.dumps("x" * (field.most + 1)))
    if isinstance(field, Whole):
        literals += [str(field.least - 1), str(field.most + 1)]
    return literals if field.allow_none else [*literals, "null"]


def bad_texts(field: Field) -> Iterator[str]:
    """The same as they look in a query, where everything is text."""
    for literal in bad_literals(field):
        value = json.loads(literal, parse_int=str, parse_float=str)
        if isinstance(value, str) and not _is_good_as_text(field, value):
            yield value


def routes() -> list[Route]:
    """Every documented method of every path."""
    nowhere = {"DATABASE_URL": "postgresql://nowhere/x_test", "REDIS_URL": "redis://nowhere"}
    app = create_app(config.load(nowhere))
    return [
        Route(method, rule, contract)
        for rule, contract in contracts(app)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def verbatim(path: str) -> dict[str, Any]:
    """A path for `send` that no client has tidied up."""
    return {"path": "/", "environ_overrides": {"PATH_INFO": path, "REQUEST_URI": path}}


def query(**parameters: Any) -> str:
    return urlencode(parameters, doseq=True)


def _is_good_as_text(field: Field, value: str) -> bool:
    """What only a body must refuse: numbers as text, words as truth, digits as a name."""
    if isinstance(field, Truth):
        return value == "true"
    if isinstance(field, Whole):
        return value == "1"
    return isinstance(field, Text) and value == "12"


def _by_key(schema: type[Schema] | None) -> dict[str, Field]:
    if schema is None:
        return {}
    return {field.data_key or name: field for name, field in schema().fields.items()}
