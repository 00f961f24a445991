"""A day at the console, click by click, each step looked up in the database."""

from tests.browser.conftest import Visit
from tests.browser.site import Connection, Site, made, one, told
from tests.factories import LOAN


def status_of(sql: Connection, loan: str) -> str:
    return str(one(sql, "SELECT status FROM loans WHERE id = %s", loan)[0])


def test_an_admins_day(visit: Visit, site: Site, sql: Connection) -> None:
    with site.caller() as client:
        customer = made(client, "/customers/", {"external_id": "day-1"})
        loans = [
            made(client, "/loans/", {**LOAN, "customer_id": customer, "purpose": purpose})
            for purpose in ("first", "second")
        ]
    with visit(viewport={"width": 1280, "height": 900}) as guest:
        page = guest.page
        guest.log_in("admin")

        guest.open(f"/console/review/?open={loans[0]}")
        page.locator("#one-reason").fill("the papers differ")
        page.locator("#one").get_by_role("button", name="Flag").click()
        assert "is FLAGGED now" in told(page)
        assert status_of(sql, loans[0]) == "FLAGGED"
        assert page.locator("tr.is-open").count() == 1

        guest.open(f"/console/review/?open={loans[0]}")
        assert page.get_by_text("the papers differ").is_visible()
        page.locator("#one-reason").fill("they have been put right")
        page.locator("#one").get_by_role("button", name="Approve").click()
        assert "is APPROVED now" in told(page)
        last = (
            "SELECT to_status, reason, by FROM loan_events WHERE loan_id = %s "
            "ORDER BY at DESC LIMIT 1"
        )
        admin = one(sql, "SELECT id FROM users WHERE role = 'admin'")[0]
        assert one(sql, last, loans[0]) == ("APPROVED", "they have been put right", admin)

        guest.open(f"/console/loans/{loans[0]}")
        page.get_by_role("button", name="Disburse").click()
        assert "ACTIVE" in told(page)
        assert status_of(sql, loans[0]) == "ACTIVE"

        guest.open("/console/payments/")
        page.get_by_text("Record a payment", exact=True).click()
        page.locator("#new-customer").fill("day-1")
        page.locator("#new-total_amount").fill("5000")
        page.get_by_role("button", name="Record").click()
        assert "5,000.00 taken" in told(page)
        owed = "SELECT outstanding::text FROM loans WHERE id = %s"
        assert one(sql, owed, loans[0]) == ("20000.00",)

        page.get_by_text("Reverse this payment").click()
        page.get_by_label("Reason").fill("it bounced")
        page.get_by_role("button", name="Reverse").click()
        assert "owed again" in told(page)
        assert one(sql, owed, loans[0]) == ("25000.00",)
        guest.picture("a reversal")

        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/console/login")
        session = "SELECT ended_at IS NOT NULL FROM login_sessions ORDER BY created_at DESC LIMIT 1"
        assert one(sql, session) == (True,)
        guest.open("/console/loans/")
        assert "/console/login" in page.url


def test_several_are_decided_by_ticking_them(visit: Visit, site: Site, sql: Connection) -> None:
    with site.caller() as client:
        customer = made(client, "/customers/", {"external_id": "day-2"})
        loans = [
            made(client, "/loans/", {**LOAN, "customer_id": customer, "amount": "10.00"})
            for _ in range(2)
        ]
    with visit() as guest:
        guest.log_in("admin")
        guest.open("/console/review/?page_size=100")
        for loan in loans:
            guest.page.get_by_label(f"Choose …{loan[-8:]}").check()
        guest.page.locator("#many-reason").fill("not our business")
        guest.page.locator("#many").get_by_role("button", name="Reject").click()
        names = ", ".join(f"…{loan[-8:]}" for loan in loans)
        assert f"{names} are REJECTED now." in told(guest.page)
    assert [status_of(sql, loan) for loan in loans] == ["REJECTED", "REJECTED"]


def test_an_officer_has_no_buttons_and_forging_them_does_nothing(
    visit: Visit, site: Site, sql: Connection
) -> None:
    with site.caller() as client:
        customer = made(client, "/customers/", {"external_id": "day-3"})
        loan = made(client, "/loans/", {**LOAN, "customer_id": customer})
    with visit() as guest:
        guest.log_in("officer")
        guest.open(f"/console/loans/{loan}")
        assert guest.page.get_by_role("button", name="Approve").count() == 0
        forge = """loan => {
            const form = document.querySelector("form[action$='/edit']");
            form.action = `/console/loans/${loan}/decision`;
            for (const field of form.querySelectorAll("input:not([name=csrf])")) field.remove();
            const field = document.createElement("input");
            field.name = "decision";
            field.value = "approve";
            form.append(field);
            form.submit();
        }"""
        with guest.page.expect_navigation():
            guest.page.evaluate(forge, loan)
        assert guest.page.get_by_role("heading", name="Only an admin").is_visible()
        guest.complaints.clear()
    assert status_of(sql, loan) == "PENDING"


def test_a_second_click_is_not_a_second_payment(visit: Visit, site: Site, sql: Connection) -> None:
    with site.caller() as client:
        customer = made(client, "/customers/", {"external_id": "day-4"})
        loan = made(client, "/loans/", {**LOAN, "customer_id": customer})
        assert client.post(f"/loans/{loan}/activate").status == 200
    with visit() as guest:
        guest.log_in("officer")
        guest.open(f"/console/customers/{customer}")
        guest.page.get_by_text("Record a payment").click()
        guest.page.locator("#pay-total_amount").fill("100")
        guest.page.get_by_role("button", name="Record").dblclick()
        guest.page.wait_for_url("**/payments/*")
    paid = "SELECT count(*) FROM payments WHERE customer_id = %s"
    assert one(sql, paid, customer) == (1,)
