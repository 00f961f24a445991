"""A second factor from its QR code to its end, at a window of each kind, step by step."""

import pytest

from tests.authenticator import Authenticator
from tests.browser.axe import SCHEMES, WINDOWS, faults
from tests.browser.conftest import Visit
from tests.browser.site import Connection, Site, Visitor, made, one, told
from tests.factories import PASSWORD

IS_ON = "SELECT totp_enabled_at IS NOT NULL, cardinality(recovery_digests) FROM users WHERE id = %s"
OPEN = "SELECT count(*) FROM login_sessions WHERE user_id = %s AND ended_at IS NULL"


def set_up(guest: Visitor, found: list[str]) -> Authenticator:
    """By the page that shows the secret, up to the recovery codes."""
    page = guest.page
    guest.open("/console/me/")
    page.get_by_role("link", name="Set up a second factor").click()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Show the QR code").click()
    app = Authenticator(page.locator(".secret code").inner_text())
    found += faults(page)
    assert page.locator("img.qr").evaluate("each => each.complete && each.naturalWidth > 0")
    guest.picture(f"second factor {page.viewport_size['width']}")
    page.get_by_label("Code").fill(app.code())
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("heading", name="Your recovery codes").wait_for()
    app.recovery_codes = page.locator(".recovery code").all_inner_texts()
    found += faults(page)
    return app


def log_in(guest: Visitor, email: str, app: Authenticator, found: list[str]) -> None:
    """By the password alone, which is not enough, and then with a code."""
    page = guest.page
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    assert not page.get_by_label("Code").is_visible()
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("A one-time password is required").wait_for()
    found += faults(page)
    page.get_by_label("Password").fill(PASSWORD)
    # The code that confirmed it is used up: the next one is taken half a minute early.
    page.get_by_label("Code").fill(app.code(1))
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/console/review/")


def log_out(guest: Visitor) -> None:
    guest.page.get_by_role("button", name="Log out").click()
    guest.page.wait_for_url("**/console/login")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("device", WINDOWS)
def test_a_second_factor_is_set_up_used_and_taken_away(
    visit: Visit, site: Site, sql: Connection, scheme: str, device: str
) -> None:
    email = f"{device}.{scheme}@lender.example.com"
    with site.caller() as client:
        user = made(client, "/auth/register", {"email": email, "password": PASSWORD})
    found: list[str] = []
    with visit(viewport=WINDOWS[device], color_scheme=scheme) as guest:
        page = guest.page
        guest.log_in(email)
        assert one(sql, IS_ON, user) == (False, None)
        app = set_up(guest, found)
        assert one(sql, IS_ON, user) == (True, 10)
        page.get_by_role("link", name="I have them").click()
        log_out(guest)
        assert one(sql, OPEN, user) == (0,)

        log_in(guest, email, app, found)
        assert one(sql, OPEN, user) == (1,)

        guest.open("/console/me/second-factor/")
        found += faults(page)
        ending = page.locator("section", has=page.get_by_role("heading", name="Take it away"))
        ending.get_by_label("Current password").fill(PASSWORD)
        ending.get_by_label("Code").fill(app.recovery_codes[0])
        ending.get_by_role("button", name="Take it away").click()
        assert "Your password alone" in told(page)
        assert one(sql, IS_ON, user) == (False, None)
        log_out(guest)
        guest.bear_with_refusals()
    assert found == []
