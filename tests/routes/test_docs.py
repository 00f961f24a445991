"""The documents, which must work without the internet."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask

from app.web import openapi
from tests.factories import Caller

COMMITTED = Path(__file__).parents[2] / "openapi.json"
PAGES = ("/", "/swagger/", "/redoc/")


def test_the_committed_document_is_the_one_the_code_builds(app: Flask) -> None:
    assert COMMITTED.read_bytes() == openapi.text(app), "run `make openapi` and commit the result"


def test_the_document_is_served_with_a_tag(anyone: Caller) -> None:
    answer = anyone.get("/openapi.json")
    assert answer.json == json.loads(COMMITTED.read_bytes())
    again = anyone.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_every_route_has_a_contract(app: Flask) -> None:
    described = {rule.rule for rule, _ in openapi.contracts(app)}
    pages = ("console", "honeypot", "static")
    routed = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] not in pages
    }
    assert described == routed


def test_a_route_without_a_contract_fails_the_build(app: Flask) -> None:
    stray = Flask("stray")
    stray.add_url_rule("/stray", view_func=lambda: "no contract", endpoint="stray")
    with pytest.raises(openapi.Undocumented, match="/stray"):
        list(openapi.contracts(stray))


@pytest.mark.parametrize("path", PAGES)
def test_a_page_asks_no_other_host_for_anything(anyone: Caller, path: str) -> None:
    page = anyone.get(path)
    assert page.status_code == 200
    links = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/")
        with anyone.get(link, follow_redirects=True) as asset:
            assert asset.status_code == 200


@pytest.mark.parametrize(
    "path", ["/swagger", "/swagger/", "/redoc", "/redoc/", "/loans", "/loans/"]
)
def test_a_path_works_with_and_without_its_slash(admin: Caller, path: str) -> None:
    assert admin.get(path).status_code == 200


@pytest.mark.parametrize("name", ["../../../etc/passwd", "..%2f..%2fapp.py", "absent.js"])
@pytest.mark.parametrize("ui", ["swagger", "redoc"])
def test_assets_come_from_their_own_folder_alone(anyone: Caller, ui: str, name: str) -> None:
    refused = anyone.get(f"/{ui}/assets/{name}")
    assert (refused.status_code, refused.content_type) == (404, "application/problem+json")
