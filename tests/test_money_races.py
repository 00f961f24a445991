"""Money moved at once: on real connections, with one outcome to the cent whatever the order."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.db import db
from app.models import Account, Entry, Journal, Loan, Payment
from tests.factories import LOAN, Caller

Parallel = Callable[..., list[Any]]


class Borrower:
    """A customer, what an officer does for them, and what they then have."""

    def __init__(self, officer: Caller, admin: Caller) -> None:
        self.officer, self.admin = officer, admin
        self.id: str = officer.make_customer()["id"]

    def borrow(self, *amounts: str) -> list[str]:
        """The ids of loans disbursed to them."""
        loans = [self.approved(amount) for amount in amounts]
        for loan in loans:
            assert self.admin.post(f"/loans/{loan}/activate").status_code == 200
        return loans

    def approved(self, amount: str) -> str:
        """The id of an approved application; with a reason, for many are flagged."""
        loan: str = self.admin.make_loan({"id": self.id}, amount=amount)["id"]
        approval = self.admin.post(f"/loans/{loan}/approve", {"reason": "known"})
        assert approval.status_code == 200
        return loan

    def pay(self, amount: str, *, key: str | None = None, **values: Any) -> Any:
        body = {"customer_id": self.id, "total_amount": amount, **values}
        return self.officer.post(
            "/payments/", body, headers={"Idempotency-Key": key} if key else {}
        )

    def move(self, way: str, amount: str, **values: Any) -> Any:
        path = f"/customers/{self.id}/account/{way}"
        return self.officer.post(path, {"amount": amount, **values})

    @property
    def balance(self) -> str:
        return str(self.officer.get(f"/customers/{self.id}/account").json["balance"])

    @property
    def debt(self) -> str:
        return str(self.officer.get(f"/customers/{self.id}/balance").json["total_debt"])


@pytest.fixture
def borrower(officer: Caller, admin: Caller) -> Borrower:
    return Borrower(officer, admin)


@pytest.fixture
def stored(app: Flask) -> Callable[[Any], Any]:
    """What a query finds, on a connection of its own."""

    def find(query: Any) -> Any:
        with app.app_context(), db.engine.connect() as connection:
            return connection.execute(query).scalar_one()

    return find


def statuses(answers: list[Any]) -> Counter[Any]:
    return Counter(
        answer.json["status"] if answer.status_code == 201 else answer.json["code"]
        for answer in answers
    )


def test_payments_sent_at_once_take_off_every_cent(
    borrower: Borrower, in_parallel: Parallel, stored: Callable[[Any], Any]
) -> None:
    borrower.borrow("150.00", "20.00", "30.00")
    answers = [
        answer for _ in range(25) for answer in in_parallel(*[partial(borrower.pay, "1.00")] * 8)
    ]
    assert statuses(answers) == {"COMPLETED": 200}
    assert borrower.debt == "0.00"
    assert stored(select(func.sum(Payment.total_amount))) == 200
    assert stored(select(func.count()).where(Loan.status == "PAID")) == 3


def test_of_two_payments_that_exceed_the_debt_together_one_is_rejected(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    for _ in range(10):
        borrower.borrow("100.00")
        answers = in_parallel(*[partial(borrower.pay, "60.00")] * 2)
        assert statuses(answers) == {"COMPLETED": 1, "REJECTED": 1}
        assert borrower.debt == "40.00"
        assert borrower.pay("40.00").json["status"] == "COMPLETED"


def test_one_key_sent_fifty_times_at_once_pays_once(
    borrower: Borrower, in_parallel: Parallel, stored: Callable[[Any], Any]
) -> None:
    borrower.borrow("100.00")
    answers = in_parallel(*[partial(borrower.pay, "10.00", key="once")] * 50)
    made = [answer for answer in answers if answer.status_code == 201]
    firsts = [answer for answer in made if "Idempotency-Replayed" not in answer.headers]
    assert (len(firsts), len({answer.data for answer in made})) == (1, 1)
    others = {(answer.status_code, answer.json["code"]) for answer in answers if answer not in made}
    assert others <= {(409, "idempotency-key-in-use")}
    assert borrower.debt == "90.00"
    assert stored(select(func.count()).select_from(Payment)) == 1


def test_a_second_request_with_a_key_at_work_is_refused_and_not_kept_waiting(
    app: Flask, borrower: Borrower, in_parallel: Parallel
) -> None:
    """The first is held up by whoever has the customer; the second does not queue behind it."""
    borrower.borrow("100.00")
    answers: list[Any] = []
    with app.app_context(), db.engine.connect() as connection:
        connection = connection.execution_options(isolation_level="READ COMMITTED")
        connection.exec_driver_sql(f"SELECT FROM customers WHERE id = '{borrower.id}' FOR UPDATE")

        def send() -> None:
            answers.append(borrower.pay("10.00", key="held"))
            if len(answers) == 1:  # the one that was refused at once lets the other go on
                connection.rollback()

        in_parallel(send, send)
    refused, made = answers
    assert (refused.status_code, refused.json["code"]) == (409, "idempotency-key-in-use")
    assert (made.status_code, borrower.debt) == (201, "90.00")


def test_one_external_id_sent_fifty_times_pays_once(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    borrower.borrow("100.00")
    answers = in_parallel(*[partial(borrower.pay, "1.00", external_id="once")] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert borrower.debt == "99.00"


def test_one_external_id_sent_fifty_times_deposits_once(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    deposit = partial(borrower.move, "deposits", "1.00", external_id="once")
    answers = in_parallel(*[deposit] * 50)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}
    assert borrower.balance == "1.00"


def test_withdrawals_sent_at_once_take_what_is_there_and_no_more(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    borrower.move("deposits", "50.00")
    answers = in_parallel(*[partial(borrower.move, "withdrawals", "10.00")] * 12)
    assert Counter(answer.status_code for answer in answers) == {201: 5, 422: 7}
    assert borrower.balance == "0.00"


def test_deposits_and_withdrawals_sent_at_once_leave_their_difference(
    borrower: Borrower, in_parallel: Parallel, stored: Callable[[Any], Any]
) -> None:
    borrower.move("deposits", "100.00")
    ways = ("deposits", "withdrawals") * 10
    answers = in_parallel(*(partial(borrower.move, way, "5.00") for way in ways))
    assert {answer.status_code for answer in answers} == {201}
    assert borrower.balance == "100.00"
    booked = select(Entry.balance_after).where(Entry.customer_id.isnot(None))
    newest = booked.order_by(Entry.id.desc()).limit(1)
    assert stored(newest) == stored(select(Account.balance)) == 100


def test_first_deposits_sent_at_once_make_one_account(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    answers = in_parallel(*[partial(borrower.move, "deposits", "1.00")] * 10)
    assert {answer.status_code for answer in answers} == {201}
    assert borrower.balance == "10.00"


def test_payments_from_the_account_and_withdrawals_share_what_is_there(
    borrower: Borrower, in_parallel: Parallel
) -> None:
    borrower.borrow("100.00")
    assert borrower.move("withdrawals", "40.00").status_code == 201
    answers = in_parallel(
        *[partial(borrower.pay, "20.00", source="account")] * 3,
        *[partial(borrower.move, "withdrawals", "20.00")] * 3,
    )
    assert Counter(answer.status_code for answer in answers) == {201: 3, 422: 3}
    assert borrower.balance == "0.00"


def test_a_payment_is_reversed_once(
    borrower: Borrower, admin: Caller, in_parallel: Parallel, stored: Callable[[Any], Any]
) -> None:
    borrower.borrow("100.00")
    payment = borrower.pay("100.00").json["id"]
    reverse = partial(admin.post, f"/payments/{payment}/reverse", {"reason": "bounced"})
    answers = in_parallel(*[reverse] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert borrower.debt == "100.00"
    assert stored(select(func.count()).where(Journal.kind == "reversal")) == 1


def test_a_deposit_is_reversed_once(
    borrower: Borrower, admin: Caller, in_parallel: Parallel
) -> None:
    borrower.move("deposits", "50.00")
    entry = borrower.move("deposits", "10.00").json["id"]
    path = f"/customers/{borrower.id}/account/entries/{entry}/reverse"
    answers = in_parallel(*[partial(admin.post, path, {"reason": "twice"})] * 8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert borrower.balance == "50.00"


def test_a_reversal_and_payments_leave_what_is_owed(
    borrower: Borrower, admin: Caller, in_parallel: Parallel
) -> None:
    for _ in range(5):
        borrower.borrow("100.00")
        payment = borrower.pay("70.00").json["id"]
        answers = in_parallel(
            partial(admin.post, f"/payments/{payment}/reverse", {"reason": "bounced"}),
            *[partial(borrower.pay, "10.00")] * 3,
        )
        assert {answer.status_code for answer in answers} == {201}
        assert borrower.debt == "70.00"
        assert borrower.pay("70.00").json["status"] == "COMPLETED"


def test_a_loan_that_is_disbursed_while_a_payment_comes_is_paid_or_not_yet_owed(
    borrower: Borrower, admin: Caller, in_parallel: Parallel
) -> None:
    for _ in range(10):
        loan = borrower.approved("100.00")
        activation, payment = in_parallel(
            partial(admin.post, f"/loans/{loan}/activate"), partial(borrower.pay, "100.00")
        )
        assert (activation.status_code, payment.status_code) == (200, 201)
        owed = "0.00" if payment.json["status"] == "COMPLETED" else "100.00"
        assert borrower.debt == owed
        assert owed == "0.00" or borrower.pay("100.00").json["status"] == "COMPLETED"


def test_of_activation_and_withdrawal_the_money_follows_one(
    borrower: Borrower, admin: Caller, in_parallel: Parallel, stored: Callable[[Any], Any]
) -> None:
    for _ in range(10):
        loan = borrower.approved("10.00")
        in_parallel(
            *(partial(admin.post, f"/loans/{loan}/{deed}") for deed in ("activate", "withdraw"))
        )
    disbursed = stored(
        select(func.coalesce(func.sum(Loan.amount), 0)).where(Loan.taken_at.isnot(None))
    )
    assert borrower.balance == borrower.debt == f"{disbursed:.2f}"


def test_a_loan_disbursed_at_once_is_credited_once(
    borrower: Borrower, admin: Caller, in_parallel: Parallel
) -> None:
    loan = borrower.approved("10.00")
    in_parallel(*[partial(admin.post, f"/loans/{loan}/activate")] * 8)
    assert (borrower.balance, borrower.debt) == ("10.00", "10.00")


def test_a_customer_is_not_deleted_from_under_a_deposit(
    officer: Caller, in_parallel: Parallel
) -> None:
    for _ in range(10):
        path = f"/customers/{officer.make_customer()['id']}"
        deletion, deposit = in_parallel(
            partial(officer.delete, path),
            partial(officer.post, f"{path}/account/deposits", {"amount": "1.00"}),
        )
        assert (deletion.status_code, deposit.status_code) in ((204, 404), (409, 201))


def test_a_hundred_applications_at_once_fit_where_ten_do(
    officer: Caller, in_parallel: Parallel
) -> None:
    customer = officer.make_customer(credit_limit="100.00")
    body = {**LOAN, "customer_id": customer["id"], "amount": "10.00"}
    answers = in_parallel(*[partial(officer.post, "/loans/", body)] * 100)
    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 90}
