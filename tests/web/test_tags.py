"""One record has a strong entity tag, whether or not it has a version."""

import pytest
from flask import Flask

from app.schemas.common import ListFilter
from tests.attacks import Route, World, routes
from tests.factories import Caller

# Documents, what is no record, and what has a weak tag of the books it is made of.
WITHOUT = {
    *("/", "/healthz", "/ping", "/metrics", "/openapi.json", "/swagger/", "/redoc/"),
    *("/swagger/assets/<path:name>", "/redoc/assets/<path:name>", "/reports/portfolio"),
}
READS = [route for route in routes() if route.method == "GET"]
RECORDS = [
    route
    for route in READS
    if route.rule.rule not in WITHOUT
    and not (route.contract.many or route.contract.streams or route.asks_for(ListFilter))
]


@pytest.mark.parametrize("route", RECORDS, ids=str)
def test_a_record_has_a_strong_tag_by_which_it_is_known_again(
    app: Flask, clean: None, route: Route
) -> None:
    world = World(app)
    answer = world.send(route)
    tag = answer.headers["ETag"]
    assert tag.startswith('"')
    again = world.send(route, headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert world.send(route, headers={"If-None-Match": '"another"'}).data == answer.data


def test_what_has_no_version_is_known_by_what_it_shows(admin: Caller) -> None:
    customer = admin.make_customer(credit_limit="9000.00")
    paths = [f"/customers/{customer['id']}/{of}" for of in ("balance", "account")]
    before = [admin.get(path).headers["ETag"] for path in paths]
    admin.post(f"{paths[1]}/deposits", {"amount": "1.00"})
    admin.make_loan(customer, amount="100.00")
    after = [admin.get(path) for path in paths]
    assert all(each.headers["ETag"] != tag for each, tag in zip(after, before, strict=True))
    known = {"If-None-Match": ", ".join(before)}
    assert [admin.get(path, headers=known).data for path in paths] == [each.data for each in after]
