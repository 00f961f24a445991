"""The review queue: what waits, the oldest first, and what is decided about it."""

import re
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, Response, request

from app.console.told import carry, read, tell
from tests.console.desk import Desk, messages, seated, told
from tests.credentials import execute
from tests.factories import Caller, Lender

RISKY = {"amount": "50000.00", "term_months": 60, "income": "10000.00", "expenses": "9000.00"}


def tag_of(admin: Caller, loan: dict[str, Any]) -> str:
    return str(admin.get(f"/loans/{loan['id']}").headers["ETag"].strip('"'))


def status_of(admin: Caller, loan: dict[str, Any]) -> str:
    return str(admin.get(f"/loans/{loan['id']}").get_json()["status"])


def opened(page: str) -> str:
    """The short id of the application that is open."""
    found = re.search(r'<tr class="is-open">.*?<span class="hint">…(\w{8})</span>', page, re.DOTALL)
    assert found, page
    return found[1]


def in_order(page: str) -> list[str]:
    return re.findall(r'<th scope="row">.*?<span class="hint">…(\w{8})</span>', page, re.DOTALL)


@pytest.fixture
def waiting(admin: Caller) -> list[dict[str, Any]]:
    """Three that wait, in the order in which they were made; the second is flagged."""
    loans = [admin.make_loan(purpose=f"purpose {number}") for number in range(3)]
    admin.post(f"/loans/{loans[1]['id']}/flag", {"reason": "the papers differ"})
    return loans


def test_what_waits_is_listed_the_oldest_first_and_nothing_else(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    done = admin.make_loan()
    admin.post(f"/loans/{done['id']}/reject", {"reason": "no"})
    page = admins_desk.get("/review/").text
    assert in_order(page) == [loan["id"][-8:] for loan in waiting]
    assert "3 applications wait" in page


def test_the_first_opens_by_itself_and_any_other_on_request(
    admins_desk: Desk, waiting: list[dict[str, Any]]
) -> None:
    assert opened(admins_desk.get("/review/").text) == waiting[0]["id"][-8:]
    page = admins_desk.get(f"/review/?open={waiting[1]['id']}").text
    assert opened(page) == waiting[1]["id"][-8:]
    assert "the papers differ" in page
    assert opened(admins_desk.get(f"/review/?open={uuid4()}").text) == waiting[0]["id"][-8:]


def test_the_risk_is_explained_and_the_customers_debt_stands_beside(
    admins_desk: Desk, admin: Caller
) -> None:
    customer = admin.make_customer(credit_limit="90000.00")
    admin.make_debt(customer, amount="12345.67")
    admin.make_loan(customer)
    page = admins_desk.get("/review/").text
    for shown in ("Risk 0.50", "0.250", "0.180", "0.067", "12,345.67", "90,000.00", "37,345.67"):
        assert shown in page, shown
    assert 'width="50"' in page  # half of what the amount may add


def test_deciding_on_one_opens_the_next(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    page = admins_desk.get(f"/review/?open={waiting[1]['id']}").text
    after = re.search(r'name="after" value="([^"]+)"', page)
    assert after
    form = {"loan": tag_of(admin, waiting[1]), "decision": "clear-flags", "reason": "they agree"}
    answer = admins_desk.post("/review/", {**form, "after": after[1]})
    page = admins_desk.client.get(answer.location, base_url=admins_desk.base).text
    assert opened(page) == waiting[2]["id"][-8:]
    assert status_of(admin, waiting[1]) == "PENDING"


def test_a_decision_is_the_services_own_with_history_and_audit(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    loan = waiting[1]
    form = {"loan": tag_of(admin, loan), "decision": "approve", "reason": "seen the papers"}
    told(admins_desk, admins_desk.post("/review/", form))
    *_, last = admin.get(f"/loans/{loan['id']}/history").get_json()
    assert (last["to"], last["by"], last["reason"]) == ("APPROVED", admin.id, "seen the papers")
    (event, *_) = admin.get("/reports/audit", query_string={"subject_id": loan["id"]}).get_json()
    assert (event["action"], event["actor_id"]) == ("loan.approved", admin.id)
    assert event["request_id"]
    assert event["address"] == "127.0.0.1"


def test_many_are_decided_each_by_itself_and_each_outcome_is_told(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    risky = admin.make_loan(**RISKY)
    changed = tag_of(admin, waiting[2])
    assert admin.patch(f"/loans/{waiting[2]['id']}", {"purpose": "another"}).status_code == 200
    gone = f"{uuid4().hex}.1"
    chosen = [tag_of(admin, waiting[0]), tag_of(admin, risky), changed, gone]
    outcome = told(
        admins_desk, admins_desk.post("/review/", {"loan": chosen, "decision": "approve"})
    )
    assert outcome[0] == f"…{waiting[0]['id'][-8:]} is APPROVED now."
    assert "too risky" in outcome[1]
    assert "has changed" in outcome[2]
    assert "not found" in outcome[3]
    assert [status_of(admin, loan) for loan in (waiting[0], risky, waiting[2])] == [
        *("APPROVED", "PENDING", "PENDING")
    ]


def test_a_flag_and_its_answer_need_a_reason(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    for loan, decision in ((waiting[0], "flag"), (waiting[1], "clear-flags")):
        form = {"loan": tag_of(admin, loan), "decision": decision, "reason": " "}
        refused = admins_desk.post("/review/", form)
        assert refused.status_code == 422
        assert "Say why" in refused.text
    assert [status_of(admin, loan) for loan in waiting] == ["PENDING", "FLAGGED", "PENDING"]


def test_approving_a_flagged_one_needs_a_reason_as_everywhere(
    admins_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    form = {"loan": tag_of(admin, waiting[1]), "decision": "approve"}
    (outcome,) = told(admins_desk, admins_desk.post("/review/", form))
    assert "A reason is required" in outcome
    assert status_of(admin, waiting[1]) == "FLAGGED"


@pytest.mark.parametrize(
    "form",
    [
        {"decision": "approve"},
        {"decision": "pay out", "loan": "a.1"},
        {"loan": "a.1"},
        {"decision": "approve", "loan": ["a.1"] * 101},
        {"decision": "approve", "loan": "x" * 61},
    ],
)
def test_a_form_that_chooses_nothing_sensible_is_shown_again(
    admins_desk: Desk, waiting: list[dict[str, Any]], form: dict[str, Any]
) -> None:
    assert admins_desk.post("/review/", form).status_code == 422


def test_officers_see_no_decisions_and_forging_one_is_refused_by_the_service(
    officers_desk: Desk, admin: Caller, waiting: list[dict[str, Any]]
) -> None:
    page = officers_desk.get("/review/").text
    assert waiting[0]["id"][-8:] in page
    assert 'name="decision"' not in page
    assert 'type="checkbox"' not in page
    for decision in ("approve", "reject", "flag", "clear-flags", "activate"):
        form = {"loan": tag_of(admin, waiting[1]), "decision": decision, "reason": "mine"}
        refused = officers_desk.post("/review/", form)
        assert refused.status_code == 403
        assert "Only an admin may do this" in refused.text
    assert [status_of(admin, loan) for loan in waiting] == ["PENDING", "FLAGGED", "PENDING"]


def test_two_who_decide_on_one_page_at_once_decide_once(
    lender: Lender, admin: Caller, waiting: list[dict[str, Any]], in_parallel: Any
) -> None:
    desks = [seated(admin.app, admin.user) for _ in range(2)]
    tag = tag_of(admin, waiting[0])
    forms = [
        {"loan": tag, "decision": decision, "reason": "mine", "csrf": desk.token()}
        for desk, decision in zip(desks, ("approve", "reject"), strict=True)
    ]
    answers = in_parallel(
        *(
            lambda desk=desk, form=form: desk.post("/review/", form)
            for desk, form in zip(desks, forms, strict=True)
        )
    )
    outcomes = [told(desk, answer)[0] for desk, answer in zip(desks, answers, strict=True)]
    assert sorted("now" in outcome for outcome in outcomes) == [False, True]
    assert len(admin.get(f"/loans/{waiting[0]['id']}/history").get_json()) == 2


def test_of_a_whole_page_the_outcome_of_each_is_told(admins_desk: Desk) -> None:
    chosen = [f"{uuid4().hex}.1" for _ in range(100)]
    answer = admins_desk.post("/review/", {"loan": chosen, "decision": "approve"})
    assert max(map(len, answer.headers.getlist("Set-Cookie"))) < 4_096
    (outcome,) = told(admins_desk, answer)
    assert outcome.endswith("are unchanged: Loan not found.")
    assert [tag.partition(".")[0][-8:] for tag in chosen] == re.findall(r"…(\w{8})", outcome)


def test_what_there_is_no_room_for_is_counted(app: Flask, clean: None) -> None:
    with app.test_request_context():
        for number in range(1_000):
            tell(f"{number}: \N{SNOWMAN} {uuid4()}")
        answer = Response()
        carry(answer)
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert len(cookie) < 4_096
    value = cookie.partition("=")[2].partition(";")[0]
    with app.test_request_context(headers={"Cookie": f"console-told={value}"}):
        messages = read(request)
    assert len(messages) > 20
    assert messages[0].text.startswith("0: \N{SNOWMAN}")
    assert messages[-1].text == f"And {1_000 - len(messages) + 1} more."


def test_what_was_told_is_told_once(admins_desk: Desk, waiting: list[dict[str, Any]]) -> None:
    answer = admins_desk.post("/review/", {"loan": "a.1", "decision": "approve"})
    assert told(admins_desk, answer)
    assert messages(admins_desk.get("/review/")) == []


def test_an_empty_queue_says_what_to_do_next(officers_desk: Desk) -> None:
    page = officers_desk.get("/review/")
    assert page.status_code == 200
    assert "Nothing waits" in page.text


def test_a_page_of_many_leads_on_and_back(admins_desk: Desk, admin: Caller) -> None:
    customer = admin.make_customer()
    for _ in range(3):
        admin.make_loan(customer, amount="1.00")
    execute(admin.app, "UPDATE loans SET status = 'PENDING'")
    page = admins_desk.get("/review/?page_size=2").text
    onward = re.search(r'<a href="([^"]+)" rel="next"', page)
    assert onward
    there = onward[1].replace("&amp;", "&").removeprefix("/console")
    assert len(in_order(admins_desk.get(there).text)) == 1
