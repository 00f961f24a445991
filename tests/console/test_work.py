"""The other pages: what is done there is done by the services, once, and refusals are told."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.attacks import fingerprint
from tests.console.desk import Desk, seated, told
from tests.factories import LOAN, PASSWORD, Caller, Lender


def once_of(page: str, action: str) -> str:
    """The name of its one sending that a form carries."""
    found = re.search(
        rf'action="{re.escape(action)}".*?name="once" value="([^"]+)"', page, re.DOTALL
    )
    assert found, page
    return found[1]


@pytest.fixture
def debt(admin: Caller) -> dict[str, Any]:
    return admin.make_debt(amount="1000.00", external_id="loan-1")


def test_loans_are_filtered_by_all_that_the_api_has(
    officers_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    other = admin.make_loan(external_id="loan-2", amount="40000.00")
    for query, shown in (
        ("", {"loan-1", "loan-2"}),
        ("status=ACTIVE", {"loan-1"}),
        ("status=ACTIVE&status=PENDING", {"loan-1", "loan-2"}),
        (f"customer={other['customer_id']}", {"loan-2"}),
        ("min_amount=1000.01", {"loan-2"}),
        ("max_amount=1000", {"loan-1"}),
        ("min_risk=0.6", {"loan-2"}),
        ("max_risk=0.5", {"loan-1"}),
        ("from=2020-01-01&to=2020-12-31", set()),
        ("flagged=true", set()),
        ("flagged=false&sort=oldest&page_size=50", {"loan-1", "loan-2"}),
        ("status=&customer=&min_amount=&from=&flagged=", {"loan-1", "loan-2"}),
    ):
        page = officers_desk.get(f"/loans/?{query}")
        assert page.status_code == 200, query
        assert set(re.findall(r">(loan-\d)<", page.text)) == shown, query
    assert "No loan is like that" in officers_desk.get("/loans/?flagged=true").text


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page_size=101",
        "min_amount=1.005",
        "from=2026-02-30",
        "status=GONE",
        "x=1",
        "cursor=nonsense",
        "page=1&page=1",
        "from=2026-02-02&to=2026-02-01",
    ],
)
def test_a_query_that_cannot_be_meant_is_told_of(officers_desk: Desk, query: str) -> None:
    refused = officers_desk.get(f"/loans/?{query}")
    assert refused.status_code == 422
    assert "Go back" in refused.text


def test_pages_lead_on_by_cursor_and_keep_the_filters(officers_desk: Desk, admin: Caller) -> None:
    customer = admin.make_customer()
    for number in range(5):
        admin.make_loan(customer, external_id=f"loan-{number}", amount="1.00")
    seen: list[str] = []
    path = "/loans/?page_size=2&max_amount=1.00"
    while path:
        page = officers_desk.get(path).text
        seen += re.findall(r">(loan-\d)<", page)
        onward = re.search(r'<a href="([^"]+)" rel="next"', page)
        path = onward[1].replace("&amp;", "&").removeprefix("/console") if onward else ""
        assert not path or ("max_amount=1.00" in path and "cursor=" in path)
    assert seen == [f"loan-{number}" for number in (4, 3, 2, 1, 0)]


def test_a_loans_page_has_all_that_there_is(
    admins_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    page = admins_desk.get("/loans/loan-1").text
    for shown in (debt["id"], "1,000.00", "a delivery van", "Risk 0.2", admin.user.email, "you"):
        assert shown in page or shown == admin.user.email
    assert page.count("<time") > 3


def test_a_loan_goes_from_application_to_disbursement_by_its_page(
    admins_desk: Desk, officers_desk: Desk, admin: Caller
) -> None:
    customer = admin.make_customer()
    answer = officers_desk.post(f"/customers/{customer['id']}/loans", {**LOAN, "external_id": "l"})
    assert "It is PENDING" in told(officers_desk, answer)[0]
    told(officers_desk, officers_desk.post("/loans/l/edit", {"amount": "20000"}))
    for decision, status in (
        ("flag", "FLAGGED"),
        ("clear-flags", "PENDING"),
        ("approve", "APPROVED"),
        ("activate", "ACTIVE"),
    ):
        form = {"decision": decision, "reason": "as discussed"}
        (outcome,) = told(admins_desk, admins_desk.post("/loans/l/decision", form))
        assert outcome == f"The loan is {status} now."
    loan = admin.get("/loans/l").get_json()
    assert (loan["status"], loan["outstanding"]) == ("ACTIVE", "20000.00")
    refused = admins_desk.post("/loans/l/decision", {"decision": "withdraw"})
    assert refused.status_code == 409
    assert "cannot become WITHDRAWN" in refused.text


def test_flags_that_were_answered_stay_on_the_loans_page(
    admins_desk: Desk, officers_desk: Desk, admin: Caller, loan: dict[str, Any]
) -> None:
    path = f"/loans/{loan['id']}"
    assert "What was answered" not in admins_desk.get(path).text
    assert admin.post(f"{path}/flag", {"reason": "the papers differ"}).status_code == 200
    assert "What was answered" not in admins_desk.get(path).text
    answer = {"reason": "they are the same"}
    assert admin.post(f"{path}/clear-flags", answer).status_code == 200
    page = admins_desk.get(path).text
    (answered,) = re.findall(r"<h3>What was answered</h3>.*?</ul>", page, re.DOTALL)
    for shown in ("Flagged by a person", "the papers differ", "they are the same", "by you"):
        assert shown in answered
    assert "No flag is open" in page
    assert "they are the same" in officers_desk.get(path).text


def test_a_decision_on_an_outdated_page_is_refused_and_says_so(
    admins_desk: Desk, admin: Caller, loan: dict[str, Any]
) -> None:
    tag = admin.get(f"/loans/{loan['id']}").headers["ETag"].strip('"')
    admin.patch(f"/loans/{loan['id']}", {"amount": "49999.00"})
    form = {"decision": "approve", "tag": tag}
    refused = admins_desk.post(f"/loans/{loan['id']}/decision", form)
    assert refused.status_code == 412
    assert "The record has changed" in refused.text
    assert admin.get(f"/loans/{loan['id']}").get_json()["status"] == "PENDING"


def test_a_loan_that_is_too_risky_is_not_approved_here_either(
    admins_desk: Desk, admin: Caller
) -> None:
    risky = admin.make_loan(
        amount="50000.00", term_months=60, income="10000.00", expenses="9000.00"
    )
    refused = admins_desk.post(f"/loans/{risky['id']}/decision", {"decision": "approve"})
    assert refused.status_code == 422
    assert "Loan too risky to approve" in refused.text


def test_a_payment_is_recorded_spread_and_reversed(
    admins_desk: Desk, officers_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    form = {"customer": debt["customer_id"], "total_amount": "400", "external_id": "p"}
    told(officers_desk, officers_desk.post("/payments/", form))
    assert admin.get("/loans/loan-1").get_json()["outstanding"] == "600.00"
    page = officers_desk.get("/payments/p").text
    assert "600.00" in page
    assert "Reverse this payment" not in page
    assert "Reverse this payment" in admins_desk.get("/payments/p").text
    refused = admins_desk.post("/payments/p/reverse", {"reason": ""})
    assert refused.status_code == 422
    told(admins_desk, admins_desk.post("/payments/p/reverse", {"reason": "bounced"}))
    assert admin.get("/loans/loan-1").get_json()["outstanding"] == "1000.00"
    assert admins_desk.post("/payments/p/reverse", {"reason": "again"}).status_code == 409


def test_more_than_the_debt_is_told_to_have_moved_nothing(
    officers_desk: Desk, debt: dict[str, Any]
) -> None:
    form = {"customer": debt["customer_id"], "total_amount": "1000.01"}
    (outcome,) = told(officers_desk, officers_desk.post("/payments/", form))
    assert "nothing moved" in outcome


def test_a_form_sent_twice_is_done_once(
    officers_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    once = once_of(officers_desk.get("/payments/").text, "/console/payments/")
    form = {"customer": debt["customer_id"], "total_amount": "400", "once": once}
    answers = [officers_desk.post("/payments/", form) for _ in range(3)]
    assert len({answer.location for answer in answers}) == 1
    assert told(officers_desk, answers[2]) == ["That was sent twice, and done once."]
    assert admin.get("/loans/loan-1").get_json()["outstanding"] == "600.00"


def test_a_form_sent_twice_at_once_is_done_once(
    officer: Caller, admin: Caller, debt: dict[str, Any], in_parallel: Any
) -> None:
    desk = seated(officer.app, officer.user)
    once = once_of(desk.get("/payments/").text, "/console/payments/")
    form = {"customer": debt["customer_id"], "total_amount": "400", "once": once}
    form["csrf"] = desk.token()
    cookie = desk.cookie()
    assert cookie
    desks = [Desk(officer.app) for _ in range(4)]
    for each in desks:
        each.plant(cookie)
    answers = in_parallel(*(lambda each=each: each.post("/payments/", form) for each in desks))
    assert {answer.status_code for answer in answers} <= {303, 409}
    assert admin.get("/loans/loan-1").get_json()["outstanding"] == "600.00"


def test_a_refused_form_may_be_corrected_and_sent_again(
    officers_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    page = officers_desk.get("/payments/").text
    form = {"customer": "nobody", "total_amount": "400"}
    form["once"] = once_of(page, "/console/payments/")
    assert officers_desk.post("/payments/", form).status_code == 404
    wrong = officers_desk.post("/payments/", {**form, "total_amount": "4OO"})
    assert wrong.status_code == 422
    assert 'value="4OO"' in wrong.text
    right = {**form, "customer": debt["customer_id"]}
    assert officers_desk.post("/payments/", right).status_code == 303
    other = officers_desk.post("/payments/", {**right, "total_amount": "500"})
    assert other.status_code == 409
    assert "was sent before, with other values" in other.text


def test_the_account_is_paid_into_out_of_and_put_right(
    admins_desk: Desk, officers_desk: Desk, admin: Caller, customer: dict[str, Any]
) -> None:
    at = f"/customers/{customer['id']}"
    told(officers_desk, officers_desk.post(f"{at}/deposits", {"amount": "100", "note": "cash"}))
    told(officers_desk, officers_desk.post(f"{at}/withdrawals", {"amount": "30"}))
    refused = officers_desk.post(f"{at}/withdrawals", {"amount": "70.01"})
    assert refused.status_code == 422
    assert "does not hold that much" in refused.text
    out, _ = admin.get(f"{at}/account/entries").get_json()
    assert "Reverse" not in officers_desk.get(at).text
    told(admins_desk, admins_desk.post(f"{at}/entries/{out['id']}/reverse", {"reason": "typo"}))
    assert admin.get(f"{at}/account").get_json()["balance"] == "100.00"


def test_customers_are_found_by_any_part_of_what_they_are_called(
    officers_desk: Desk, admin: Caller
) -> None:
    admin.make_customer(first_name="Grace", last_name="Hopper")
    admin.make_customer(first_name="Ada", last_name="Lovelace", phone="+1 555 0100")
    for query, names in (
        ("q=hopp", ["Grace Hopper"]),
        ("q=555", ["Ada Lovelace"]),
        ("q=zzz", []),
        ("q=&status=ACTIVE", ["Ada Lovelace", "Grace Hopper"]),
        ("status=INACTIVE", []),
    ):
        page = officers_desk.get(f"/customers/?{query}", headers={"HX-Request": "true"}).text
        assert re.findall(r">((?:Ada|Grace) \w+)<", page) == names, query
    assert "Nobody is like that" in officers_desk.get("/customers/?q=zzz").text


def test_a_customer_is_added_and_changed(officers_desk: Desk, admin: Caller) -> None:
    form = {
        "first_name": "Ada",
        "last_name": "Byron",
        "email": "ada@example.com",
        "phone": "",
        "external_id": "crm-1",
        "credit_limit": "5000",
    }
    told(officers_desk, officers_desk.post("/customers/", form))
    again = officers_desk.post("/customers/", {**form, "external_id": "crm-2"})
    assert again.status_code == 409
    assert "already in use" in again.text
    edit = {"first_name": "Augusta", "credit_limit": "", "status": "INACTIVE"}
    told(officers_desk, officers_desk.post("/customers/crm-1/edit", edit))
    customer = admin.get("/customers/crm-1").get_json()
    assert (customer["first_name"], customer["last_name"]) == ("Augusta", "Byron")
    assert (customer["credit_limit"], customer["status"]) == (None, "INACTIVE")


def test_an_edit_of_an_outdated_page_overwrites_nothing(
    officers_desk: Desk, admin: Caller, customer: dict[str, Any]
) -> None:
    page = officers_desk.get(f"/customers/{customer['id']}").text
    tag = re.search(r'name="tag" value="([^"]+)"', page)
    assert tag
    admin.patch(f"/customers/{customer['id']}", {"phone": "+1 555 0199"})
    form = {"phone": "+1 555 0100", "tag": tag[1]}
    assert officers_desk.post(f"/customers/{customer['id']}/edit", form).status_code == 412
    assert admin.get(f"/customers/{customer['id']}").get_json()["phone"] == "+1 555 0199"


def test_a_customer_that_is_not_there_is_told_of(officers_desk: Desk) -> None:
    missing = officers_desk.get("/customers/nobody")
    assert missing.status_code == 404
    assert "Look for it in its list" in missing.text


def test_admins_add_and_change_users(admins_desk: Desk, admin: Caller, lender: Lender) -> None:
    form = {"email": "new@lender.example.com", "password": PASSWORD, "role": "officer"}
    told(admins_desk, admins_desk.post("/users/", form))
    (found,) = admin.get("/auth/users?q=new@lender").get_json()
    assert found["role"] == "officer"
    edit = {"role": "applicant", "is_active": "false", "nickname": ""}
    told(admins_desk, admins_desk.post(f"/users/{found['id']}", edit))
    found = admin.get(f"/auth/users/{found['id']}").get_json()
    assert (found["role"], found["is_active"]) == ("applicant", False)
    assert admins_desk.post("/users/", form).status_code == 409
    weak = {**form, "email": "other@lender.example.com", "password": "short"}
    assert admins_desk.post("/users/", weak).status_code == 422


def test_the_last_admin_stays(admins_desk: Desk, admin: Caller) -> None:
    refused = admins_desk.post(f"/users/{admin.id}", {"role": "officer"})
    assert refused.status_code == 409
    assert "The last active admin" in refused.text


def test_a_key_is_shown_once_and_revoked(admins_desk: Desk, admin: Caller) -> None:
    day = (datetime.now(UTC) + timedelta(days=1)).date()
    form = {"name": "nightly", "role": "officer", "expires_on": f"{day}"}
    page = admins_desk.post("/api-keys/", form)
    assert page.status_code == 200
    secret = re.search(r"lk_[\w-]{43}", page.text)
    assert secret
    holder = Caller(admin.app, {"X-API-Key": secret[0]})
    assert holder.get("/loans/").status_code == 200
    index = admins_desk.get("/api-keys/").text
    assert secret[0] not in index
    assert "nightly" in index
    (key,) = admin.get("/auth/api-keys").get_json()
    assert key["expires_at"] == f"{day + timedelta(days=1)}T00:00:00Z"
    told(admins_desk, admins_desk.post(f"/api-keys/{key['id']}/revoke"))
    assert holder.get("/loans/").status_code == 401


def test_a_key_sent_for_twice_is_one_key(admins_desk: Desk, admin: Caller) -> None:
    form = {"name": "nightly", "role": "officer"}
    form["once"] = once_of(admins_desk.get("/api-keys/").text, "/console/api-keys/")
    pages = [admins_desk.post("/api-keys/", form).text for _ in range(2)]
    assert len({re.search(r"lk_[\w-]{43}", page)[0] for page in pages}) == 1  # type: ignore[index]
    assert len(admin.get("/auth/api-keys").get_json()) == 1


def test_a_key_whose_time_is_over_is_not_made(admins_desk: Desk) -> None:
    form = {"name": "nightly", "role": "officer", "expires_on": "2020-01-01"}
    refused = admins_desk.post("/api-keys/", form)
    assert refused.status_code == 422
    assert "Must not be over" in refused.text


def test_the_audit_trail_is_filtered(
    admins_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    page = admins_desk.get(f"/audit/?subject_id={debt['id']}&action=loan.activated").text
    assert "1 event" in page
    assert "loan.activated" in page
    assert "Nothing like that is on record" in admins_desk.get("/audit/?action=nothing").text


def test_the_overview_shows_what_the_report_says(
    admins_desk: Desk, admin: Caller, debt: dict[str, Any]
) -> None:
    rejected = admin.make_loan(amount="50000.00")
    admin.post(f"/loans/{rejected['id']}/reject", {"reason": "no"})
    flagged = admin.make_loan()
    admin.post(f"/loans/{flagged['id']}/flag", {"reason": "odd"})
    page = admins_desk.get("/").text
    report = admin.get("/reports/portfolio").get_json()
    assert f"{report['sum_amount']:,.2f}" in page
    assert f"{report['sum_outstanding']:,.2f}" in page
    for status, number in report["by_status"].items():
        assert re.search(rf'>{status}</th><td class="number" data-value="{number}">', page)
    month = report["by_month"][0]["month"]
    cells = re.findall(
        rf'>{month}</th>((?:<td class="number" data-value="[\d.]+">[^<]+</td>)+)', page
    )
    values = [re.findall(r'data-value="([\d.]+)"', cell) for cell in cells]
    assert values == [["1", "1"], ["76000.00", "1000.00"]]
    assert "Flagged by a person" in page
    empty = admins_desk.get("/?from=2020-01-01&to=2020-12-31").text
    assert "No applications in these days" in empty


def test_officers_begin_at_the_review_queue(officers_desk: Desk) -> None:
    assert officers_desk.get("/").location == "/console/review/"


def test_the_console_can_live_elsewhere(make_app: Any, officer: Caller) -> None:
    app = make_app(ADMIN_URL="/back-office/desk")
    desk = Desk(app, officer.user, at="/back-office/desk")
    assert desk.log_in().location == "/back-office/desk/"
    assert desk.get("/loans/").status_code == 200
    assert app.test_client().get("/console/").status_code == 404
    assert 'href="/back-office/desk/"' in app.test_client().get("/").text


def test_without_a_database_the_console_says_so(make_app: Any) -> None:
    app = make_app(DATABASE_URL="postgresql://u@127.0.0.1:9/d")
    desk = Desk(app)
    assert desk.get("/login").status_code == 200
    form = {"email": "a@example.com", "password": "whatever"}
    away = desk.post("/login", form)
    assert away.status_code == 503
    assert away.content_type == "text/html; charset=utf-8"
    assert away.headers["Retry-After"] == "1"


def test_a_refusal_changes_nothing(officers_desk: Desk, loan: dict[str, Any]) -> None:
    before = fingerprint(officers_desk.app)
    officers_desk.post(f"/loans/{loan['id']}/decision", {"decision": "approve", "reason": "mine"})
    officers_desk.post(f"/loans/{loan['id']}/edit", {"amount": "0"})
    officers_desk.post("/users/", {"email": "x@example.com", "password": PASSWORD})
    officers_desk.post("/api-keys/", {"name": "x", "role": "officer"})
    assert fingerprint(officers_desk.app) == before
