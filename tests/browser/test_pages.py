"""Every page of the console as people meet it: by eye, keyboard, screen reader, on a phone."""

import pytest
from flask import Flask

from tests.browser.axe import SCHEMES, WINDOWS, faults, violations
from tests.browser.conftest import Visit
from tests.browser.site import Site, Visitor

# Each page by its endpoint; of a record, the one that the path names.
PAGES: dict[str, str] = {
    "console.home.show": "/console/",
    "console.home.nowhere": "/console/nowhere",
    "console.me.show": "/console/me/",
    "console.second_factor.show": "/console/me/second-factor/",
    "console.review.show": "/console/review/",
    "console.loans.index": "/console/loans/",
    "console.loans.show": "/console/loans/{loan}",
    "console.customers.index": "/console/customers/",
    "console.customers.show": "/console/customers/{customer}",
    "console.payments.index": "/console/payments/",
    "console.payments.show": "/console/payments/{payment}",
    "console.imports.index": "/console/imports/",
    "console.imports.show": "/console/imports/{import}",
    "console.imports.progress": "/console/imports/{import}/progress",
    "console.people.index": "/console/users/",
    "console.people.show": "/console/users/{user}",
    "console.keys.index": "/console/api-keys/",
    "console.trail.index": "/console/audit/",
    "console.trail.attempts": "/console/audit/honeypot",
}
OPEN = {"console.door.show": "/console/login", "docs.landing": "/", "honeypot.show": "/admin/"}
BADGE = "https://cdn.redoc.ly/redoc/logo-mini.svg"
EMPTY = {
    "no loan": "/console/loans/?min_amount=999999999",
    "no customer": "/console/customers/?q=nobody+at+all",
    "no import": "/console/imports/?page=99",
    "no refused line": "/console/imports/{import}?page=99",
    "no figures": "/console/?from=2000-01-01&to=2000-01-31",
    "a wrong filter": "/console/loans/?min_amount=1.005",
}


def test_every_page_is_looked_at(app: Flask) -> None:
    shown = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("console.")
        and "GET" in (rule.methods or ())
        and not rule.rule.endswith("/export")
    }
    assert shown == {*PAGES, "console.door.show"}


def looked_at(guest: Visitor, name: str, path: str) -> list[str]:
    """What is wrong with a page, by axe-core and by its width."""
    guest.open(path)
    guest.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    return [f"{name}: {each}" for each in faults(guest.page)]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("device", WINDOWS)
def test_no_page_shuts_anybody_out(visit: Visit, site: Site, scheme: str, device: str) -> None:
    found: list[str] = []
    with visit(viewport=WINDOWS[device], color_scheme=scheme) as guest:
        for name, path in OPEN.items():
            found += looked_at(guest, name, path)
            guest.picture(f"{name} {device} {scheme}")
        guest.log_in("admin")
        for name, path in {**PAGES, **EMPTY}.items():
            found += looked_at(guest, name, path.format(**site.records))
            guest.open(path.format(**site.records))
            guest.picture(f"{name} {device} {scheme}")
        guest.bear_with_refusals()
    assert found == []


def test_an_officer_is_told_what_they_may_not_see(visit: Visit) -> None:
    with visit() as guest:
        guest.log_in("officer")
        assert guest.page.url.endswith("/console/review/")
        guest.open("/console/audit/")
        assert violations(guest.page) == []
        assert guest.page.get_by_role("heading", name="Only an admin").is_visible()
        guest.complaints.clear()


def test_the_keyboard_reaches_everything(visit: Visit, site: Site) -> None:
    with visit() as guest:
        guest.log_in("admin")
        guest.open("/console/review/")
        guest.page.keyboard.press("Tab")
        assert guest.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        guest.page.keyboard.press("Enter")
        assert guest.page.evaluate("document.activeElement.id") == "main"
        reached = set()
        for _ in range(60):
            guest.page.keyboard.press("Tab")
            reached.add(
                guest.page.evaluate(
                    "document.activeElement.name + ' ' + document.activeElement.value"
                )
            )
        decisions = {"decision approve", "decision reject"}
        assert decisions <= reached


def test_customers_are_found_as_one_types(visit: Visit) -> None:
    with visit() as guest:
        guest.log_in("officer")
        guest.open("/console/customers/")
        assert guest.page.get_by_role("link", name="Ada Lovelace").is_visible()
        guest.page.get_by_label("Name, e-mail").press_sequentially("hopp")
        guest.page.get_by_role("link", name="Ada Lovelace").wait_for(state="detached")
        assert guest.page.get_by_role("link", name="Grace Hopper").is_visible()
        assert guest.page.locator("#found").inner_text() == "1 customer"
        assert "q=hopp" in guest.page.url
        assert guest.page.evaluate("document.activeElement.name") == "q"


def test_without_script_everything_is_there_to_be_read(visit: Visit, site: Site) -> None:
    with visit(java_script_enabled=False) as guest:
        guest.log_in("admin")
        guest.open("/console/")
        assert guest.page.get_by_role("cell", name="25,000.00").count() == 0
        assert guest.page.get_by_role("rowheader", name="ACTIVE").is_visible()
        guest.open("/console/customers/?q=hopp")
        assert guest.page.get_by_role("link", name="Grace Hopper").is_visible()


def test_the_overview_is_drawn_from_its_tables(visit: Visit) -> None:
    with visit() as guest:
        guest.log_in("admin")
        guest.open("/console/")
        assert guest.page.locator("canvas").count() == 5
        drawn = """canvas => {
            const { width, height } = canvas;
            return canvas.getContext("2d").getImageData(0, 0, width, height).data.some(Boolean);
        }"""
        for canvas in guest.page.locator("canvas").all():
            assert canvas.evaluate(drawn)


@pytest.mark.parametrize("path", ["/swagger/", "/redoc/"])
def test_the_viewers_work_under_their_policy(visit: Visit, path: str) -> None:
    with visit() as guest:
        guest.open(path)
        guest.page.get_by_text("Apply for a loan").first.wait_for(state="attached")
        # ReDoc asks elsewhere for the picture of its badge, and is kept from it.
        assert [said for said in guest.complaints if BADGE not in said] == []
        guest.complaints.clear()


def test_the_browser_keeps_no_copy_of_what_was_shown(visit: Visit) -> None:
    with visit() as guest:
        guest.log_in("officer")
        guest.open("/console/customers/")
        guest.page.get_by_label("Name, e-mail").press_sequentially("hopp")
        guest.page.get_by_role("link", name="Ada Lovelace").wait_for(state="detached")
        guest.open("/console/loans/")
        stored = "() => JSON.stringify({...localStorage, ...sessionStorage})"
        assert "@example" not in guest.page.evaluate(stored)
