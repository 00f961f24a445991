"""A matrix: a table of routes, and of what each kind of caller is answered there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask

from tests.attacks import good_form
from tests.authenticator import Authenticator, give
from tests.factories import Caller, created


@dataclass(frozen=True)
class Cells:
    """A line of it: `sends` names a body, `expected` has a status for each caller."""

    method: str
    route: str
    sends: str
    expected: dict[str, int]

    def __str__(self) -> str:
        return f"{self.method} {self.route} {self.sends}"

    def path(self, record: dict[str, Any]) -> str:
        """The route to that record, with what else it names from there."""
        return re.sub(
            r"<(?:\w+:)?(\w+)>", lambda name: str(record.get(name[1], record["id"])), self.route
        )


Row = TypeVar("Row", bound=Cells)


def rows_of(matrix: str, kind: type[Row]) -> tuple[Row, ...]:
    titles, *lines = (line.split() for line in matrix.splitlines() if line)
    return tuple(
        kind(method, route, sends, dict(zip(titles[3:], map(int, statuses), strict=True)))
        for method, route, sends, *statuses in lines
    )


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Whose each is by the name of its blueprint, its method and its path."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield rule.endpoint.partition(".")[0], method, rule.rule


def with_an_entry(keeper: Caller, customer: dict[str, Any]) -> dict[str, Any]:
    """The customer, with a deposit."""
    deposits = f"/customers/{customer['id']}/account/deposits"
    return {**customer, "entry": created(keeper.post(deposits, {"amount": "1000.00"}))["id"]}


def protected(user: Caller) -> dict[str, Any]:
    """The user, with a second factor."""
    give(Authenticator(), user, is_enabled=True)
    return {"id": user.id}


def an_import(keeper: Caller) -> dict[str, Any]:
    """One that waits to be worked on."""
    made = keeper.post("/customers/imports", data=good_form())
    assert made.status_code == 202, made.get_data(as_text=True)
    return dict(made.get_json())
