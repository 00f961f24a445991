"""Two at once: each race on real connections, with one outcome whatever the order."""

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.factories import LOAN, Caller

RACED_LOANS = int(os.environ.get("RACED_LOANS", "20"))  # the promise is made for 1,000
Parallel = Callable[..., list[Any]]


def test_racing_decisions_leave_one_story(admin: Caller, in_parallel: Parallel) -> None:
    """An approved application may still be withdrawn, so two may win: in that order alone."""
    for _ in range(RACED_LOANS):
        path = f"/loans/{admin.make_loan()['id']}"
        deeds = ("approve", "reject", "withdraw") * 2
        calls = [partial(admin.post, f"{path}/{deed}") for deed in deeds]
        answers = in_parallel(*calls)
        won = [answer.json["status"] for answer in answers if answer.status_code == 200]
        lost = [answer.status_code for answer in answers if answer.status_code != 200]
        story = [event["to"] for event in admin.get(f"{path}/history").json]
        assert story[1:] in (["APPROVED"], ["REJECTED"], ["WITHDRAWN"], ["APPROVED", "WITHDRAWN"])
        assert sorted(won) == sorted(story[1:])
        assert set(lost) == {409}


def test_of_decisions_on_one_version_one_is_taken(admin: Caller, in_parallel: Parallel) -> None:
    """Whoever says which version they decided on never follows another's decision unawares."""
    for _ in range(RACED_LOANS):
        path = f"/loans/{admin.make_loan()['id']}"
        seen = {"If-Match": admin.get(path).headers["ETag"]}
        deeds = ("approve", "reject", "withdraw")
        answers = in_parallel(
            *(partial(admin.post, f"{path}/{deed}", headers=seen) for deed in deeds)
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 2}
        assert len(admin.get(f"{path}/history").json) == 2


def test_of_two_rival_decisions_one_is_refused(admin: Caller, in_parallel: Parallel) -> None:
    for _ in range(10):
        path = f"/loans/{admin.make_loan()['id']}"
        answers = in_parallel(
            lambda path=path: admin.post(f"{path}/approve"),
            lambda path=path: admin.patch(path, {"status": "REJECTED"}),
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 1}
        assert len(admin.get(f"{path}/history").json) == 2


def test_applications_sent_at_once_stay_within_the_limit(
    officer: Caller, in_parallel: Parallel
) -> None:
    customer = officer.make_customer(credit_limit="100.00")
    body = {**LOAN, "customer_id": customer["id"], "amount": "10.00"}
    answers = in_parallel(*[lambda: officer.post("/loans/", body)] * 25)
    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 15}
    balance = officer.get(f"/customers/{customer['id']}/balance").json
    assert (balance["total_debt"], balance["available_credit"]) == ("100.00", "0.00")


def test_edits_made_at_once_stay_within_the_limit(officer: Caller, in_parallel: Parallel) -> None:
    for _ in range(8):
        customer = officer.make_customer(credit_limit="100.00")
        loans = [officer.make_loan(customer, amount="10.00") for _ in range(5)]
        paths = [f"/loans/{loan['id']}" for loan in loans]
        answers = in_parallel(*(partial(officer.patch, path, {"amount": "40"}) for path in paths))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 422: 4}


def test_one_external_id_sent_fifty_times_makes_one_record(
    officer: Caller, in_parallel: Parallel
) -> None:
    body = {"external_id": "once"}
    answers = in_parallel(*[lambda: officer.post("/customers/", body)] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}


def test_a_deleted_customers_external_id_is_not_won_back_by_a_race(
    officer: Caller, in_parallel: Parallel
) -> None:
    for number in range(10):
        name = f"once-{number}"
        officer.post("/customers/", {"external_id": name})
        deletion, creation = in_parallel(
            lambda name=name: officer.delete(f"/customers/{name}"),
            lambda name=name: officer.post("/customers/", {"external_id": name}),
        )
        assert (deletion.status_code, creation.status_code) == (204, 409)
        assert officer.get(f"/customers/{name}").status_code == 404


def test_activation_and_withdrawal_do_not_both_happen(admin: Caller, in_parallel: Parallel) -> None:
    for _ in range(10):
        path = f"/loans/{admin.make_loan()['id']}"
        assert admin.post(f"{path}/approve").status_code == 200
        answers = in_parallel(
            lambda path=path: admin.post(f"{path}/activate"),
            lambda path=path: admin.post(f"{path}/withdraw"),
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 1}


def test_a_loan_is_disbursed_once(admin: Caller, in_parallel: Parallel) -> None:
    path = f"/loans/{admin.make_loan()['id']}"
    answers = in_parallel(*[lambda: admin.post(f"{path}/activate")] * 8)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 7}


def test_of_changes_based_on_one_version_one_wins(officer: Caller, in_parallel: Parallel) -> None:
    def change(path: str, tag: str, name: str) -> int:
        changed = officer.patch(path, {"first_name": name}, headers={"If-Match": tag})
        return int(changed.status_code)

    for _ in range(5):
        path = f"/customers/{officer.make_customer()['id']}"
        tag = officer.get(path).headers["ETag"]
        outcomes = in_parallel(*(partial(change, path, tag, name) for name in "ABCDEFGH"))
        assert Counter(outcomes) == {200: 1, 412: 7}


def test_a_customer_is_not_deleted_from_under_an_application(
    officer: Caller, in_parallel: Parallel
) -> None:
    for _ in range(10):
        customer = officer.make_customer()
        body = {**LOAN, "customer_id": customer["id"]}
        deletion, application = in_parallel(
            lambda customer=customer: officer.delete(f"/customers/{customer['id']}"),
            lambda body=body: officer.post("/loans/", body),
        )
        outcome = (deletion.status_code, application.status_code)
        assert outcome in ((204, 404), (409, 201))


def test_a_flag_and_an_approval_leave_one_story(admin: Caller, in_parallel: Parallel) -> None:
    for _ in range(10):
        path = f"/loans/{admin.make_loan()['id']}"
        approval, flag = in_parallel(
            lambda path=path: admin.post(f"{path}/approve"),
            lambda path=path: admin.post(f"{path}/flag", {"reason": "odd"}),
        )
        loan = admin.get(path).json
        if flag.status_code == 200:
            assert (approval.status_code, approval.json["code"]) == (422, "reason-required")
            assert (loan["status"], len(loan["fraud_flags"])) == ("FLAGGED", 1)
        else:
            assert (approval.status_code, flag.status_code) == (200, 409)
            assert (loan["status"], loan["fraud_flags"]) == ("APPROVED", [])


def test_a_customers_edit_and_decisions_on_their_loan_leave_one_story(
    admin: Caller, in_parallel: Parallel
) -> None:
    """The edit clears the flag that a person may be clearing just now."""
    for number in range(10):
        customer = admin.make_customer(email=f"ada{number}@mailinator.com")
        path = f"/loans/{admin.make_loan(customer)['id']}"
        edit, clearing, withdrawal = in_parallel(
            partial(
                admin.patch, f"/customers/{customer['id']}", {"email": f"a{number}@calm.example"}
            ),
            partial(admin.post, f"{path}/clear-flags", {"reason": "known"}),
            partial(admin.post, f"{path}/withdraw"),
        )
        assert (edit.status_code, withdrawal.status_code) == (200, 200)
        assert clearing.status_code in (200, 409)
        story = [event["to"] for event in admin.get(f"{path}/history").json]
        assert story in (
            ["PENDING", "FLAGGED", "WITHDRAWN"],
            ["PENDING", "FLAGGED", "PENDING", "WITHDRAWN"],
        )


def test_customers_who_come_to_share_a_phone_at_once_do_not_miss_each_other(
    admin: Caller, in_parallel: Parallel
) -> None:
    for number in range(10):
        customers = [admin.make_customer() for _ in range(2)]
        loans = [admin.make_loan(customer) for customer in customers]
        phones = (f"900{number}1", f"9-00{number}1")
        in_parallel(
            *(
                partial(admin.patch, f"/customers/{customer['id']}", {"phone": phone})
                for customer, phone in zip(customers, phones, strict=True)
            )
        )
        statuses = [admin.get(f"/loans/{loan['id']}").json["status"] for loan in loans]
        assert sorted(statuses) == ["FLAGGED", "PENDING"]


def test_customers_who_join_a_domain_at_once_are_counted_one_by_one(
    admin: Caller, in_parallel: Parallel
) -> None:
    for number in range(5):
        for member in range(9):
            admin.make_customer(email=f"{member}@ring{number}.example")
        customers = [admin.make_customer() for _ in range(3)]
        loans = [admin.make_loan(customer) for customer in customers]
        in_parallel(
            *(
                partial(
                    admin.patch,
                    f"/customers/{each['id']}",
                    {"email": f"late{at}@ring{number}.example"},
                )
                for at, each in enumerate(customers)
            )
        )
        statuses = [admin.get(f"/loans/{loan['id']}").json["status"] for loan in loans]
        assert sorted(statuses) == ["FLAGGED", "FLAGGED", "PENDING"]
