"""Customers' accounts over HTTP: what goes in, what goes out, and that it never goes below zero."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from app.config import Settings
from tests.attacks import fingerprint
from tests.credentials import execute, refusal
from tests.factories import Caller, created

SHAPE = [
    "id",
    "external_id",
    "kind",
    "direction",
    "amount",
    "balance_after",
    "note",
    "loan_id",
    "payment_id",
    "reverses",
    "created_by",
    "created_at",
]
FULL = "999999999999.99"
WHY = {"reason": "the wrong customer"}
NOT_REVERSIBLE = (409, "entry-not-reversible")


class Holder:
    """A customer's account, and who keeps it."""

    def __init__(self, keeper: Caller, customer_id: str) -> None:
        self.keeper, self.id = keeper, customer_id
        self.path = f"/customers/{customer_id}/account"

    def send(self, movement: str, amount: str, **values: Any) -> Any:
        return self.keeper.post(f"{self.path}/{movement}", {"amount": amount, **values})

    def deposit(self, amount: str, **values: Any) -> dict[str, Any]:
        return created(self.send("deposits", amount, **values))

    def withdraw(self, amount: str, **values: Any) -> dict[str, Any]:
        return created(self.send("withdrawals", amount, **values))

    def reverse(self, ref: str, keeper: Caller | None = None) -> Any:
        return (keeper or self.keeper).post(f"{self.path}/entries/{ref}/reverse", WHY)

    @property
    def balance(self) -> str:
        return str(self.keeper.get(self.path).json["balance"])

    @property
    def entries(self) -> list[dict[str, Any]]:
        return list(self.keeper.get(f"{self.path}/entries").json)


@pytest.fixture
def account(admin: Caller, customer: dict[str, Any]) -> Holder:
    return Holder(admin, customer["id"])


def test_an_account_that_nothing_was_booked_on_is_empty(
    account: Holder, settings: Settings
) -> None:
    answer = account.keeper.get(account.path)
    assert answer.json == {"balance": "0.00", "currency": settings.currency}
    assert account.entries == []


def test_the_currency_is_the_lenders(make_app: Callable[..., Flask], account: Holder) -> None:
    there = Caller(make_app(CURRENCY="EUR"), account.keeper.headers)
    assert there.get(account.path).json["currency"] == "EUR"


def test_a_deposit_is_answered_as_it_was_booked(officer: Caller, account: Holder) -> None:
    given = {"amount": 12.5, "external_id": "till-1", "note": "in cash"}
    entry = created(officer.post(f"{account.path}/deposits", given))
    assert list(entry) == SHAPE
    assert (entry["kind"], entry["direction"]) == ("deposit", "credit")
    assert (entry["amount"], entry["balance_after"]) == ("12.50", "12.50")
    assert (entry["external_id"], entry["note"]) == ("till-1", "in cash")
    assert (entry["loan_id"], entry["payment_id"], entry["reverses"]) == (None, None, None)
    assert entry["created_by"] == officer.id
    assert (account.entries, account.balance) == ([entry], "12.50")


def test_a_withdrawal_is_answered_as_it_was_booked(account: Holder) -> None:
    account.deposit("10.00")
    entry = account.withdraw("3.00")
    assert (entry["kind"], entry["direction"]) == ("withdrawal", "debit")
    assert (entry["amount"], entry["balance_after"]) == ("3.00", "7.00")
    assert (account.entries[0], account.balance) == (entry, "7.00")


def test_the_entries_are_newest_first_each_with_the_balance_after_it(account: Holder) -> None:
    account.deposit("10.00")
    account.withdraw("4.00")
    account.deposit("0.01")
    assert [entry["balance_after"] for entry in account.entries] == ["6.01", "6.00", "10.00"]
    page = account.keeper.get(f"{account.path}/entries?page=2&page_size=2")
    assert [entry["balance_after"] for entry in page.json] == ["10.00"]
    assert page.headers["X-Total-Count"] == "3"


def test_a_customer_is_found_by_their_external_id_too(admin: Caller) -> None:
    customer = admin.make_customer(external_id="crm-1")
    created(admin.post("/customers/crm-1/account/deposits", {"amount": "1.00"}))
    assert Holder(admin, customer["id"]).entries == Holder(admin, "crm-1").entries
    assert Holder(admin, customer["id"]).balance == "1.00"


def test_an_account_pays_out_what_it_holds_and_not_a_cent_more(app: Flask, account: Holder) -> None:
    account.deposit("10.00")
    before = fingerprint(app)
    assert refusal(account.send("withdrawals", "10.01")) == (422, "insufficient-funds")
    assert fingerprint(app) == before
    assert account.withdraw("10.00")["balance_after"] == "0.00"
    assert refusal(account.send("withdrawals", "0.01")) == (422, "insufficient-funds")


def test_nothing_is_taken_out_of_an_account_that_was_never_used(
    app: Flask, account: Holder
) -> None:
    before = fingerprint(app)
    assert refusal(account.send("withdrawals", "0.01")) == (422, "insufficient-funds")
    assert fingerprint(app) == before


def test_an_account_holds_the_largest_amount_and_not_a_cent_more(
    app: Flask, account: Holder
) -> None:
    account.deposit(FULL)
    before = fingerprint(app)
    assert refusal(account.send("deposits", "0.01")) == (422, "account-full")
    assert fingerprint(app) == before


@pytest.mark.parametrize("movement", ["deposits", "withdrawals"])
def test_an_external_id_is_used_once_by_whatever_customer(
    app: Flask, admin: Caller, account: Holder, movement: str
) -> None:
    account.deposit("10.00", external_id="till-1")
    other = Holder(admin, admin.make_customer()["id"])
    other.deposit("10.00")
    before = fingerprint(app)
    for holder in (account, other):
        answer = holder.send(movement, "1.00", external_id="till-1")
        assert refusal(answer) == (409, "external-id-taken")
    assert fingerprint(app) == before


def test_nobodys_account_is_not_found(admin: Caller) -> None:
    nobody = Holder(admin, "nobody")
    answers = [
        *(admin.get(f"{nobody.path}{end}") for end in ("", "/entries")),
        *(nobody.send(movement, "1.00") for movement in ("deposits", "withdrawals")),
        nobody.reverse("till-1"),
    ]
    assert {refusal(answer) for answer in answers} == {(404, "customer-not-found")}


def test_applicants_read_the_accounts_of_their_own_customers_and_move_nothing(
    admin: Caller, applicant: Caller, stranger: Caller
) -> None:
    own = Holder(admin, applicant.make_customer()["id"])
    entry = own.deposit("5.00")
    assert applicant.get(own.path).json["balance"] == "5.00"
    assert applicant.get(f"{own.path}/entries").json == [entry]
    for end in ("", "/entries"):
        assert refusal(stranger.get(f"{own.path}{end}")) == (404, "customer-not-found")
    for movement in ("deposits", "withdrawals"):
        answer = applicant.post(f"{own.path}/{movement}", {"amount": "1.00"})
        assert refusal(answer) == (403, "staff-only")
    assert refusal(own.reverse(entry["id"], applicant)) == (403, "admin-only")
    assert own.balance == "5.00"


def test_activation_puts_the_whole_amount_on_the_account(admin: Caller) -> None:
    loan = admin.make_debt(amount="100.00")
    account = Holder(admin, loan["customer_id"])
    (entry,) = account.entries
    assert (entry["kind"], entry["direction"]) == ("disbursement", "credit")
    assert (entry["amount"], entry["balance_after"]) == ("100.00", "100.00")
    assert (entry["loan_id"], entry["created_by"]) == (loan["id"], admin.id)
    assert account.balance == "100.00"


def test_a_second_loan_is_added_to_what_the_account_holds(admin: Caller) -> None:
    loan = admin.make_debt(amount="100.00")
    account = Holder(admin, loan["customer_id"])
    account.withdraw("30.00")
    admin.make_debt({"id": account.id}, amount="50.00")
    assert [entry["balance_after"] for entry in account.entries] == ["120.00", "70.00", "100.00"]


def test_a_loan_that_the_account_cannot_take_is_not_disbursed(
    app: Flask, admin: Caller, account: Holder
) -> None:
    account.deposit(FULL)
    loan = admin.make_loan({"id": account.id})
    before = fingerprint(app)
    answer = admin.post(f"/loans/{loan['id']}/activate")
    assert refusal(answer) == (422, "account-full")
    assert fingerprint(app) == before


def test_a_loan_beyond_the_limit_is_not_disbursed(app: Flask, admin: Caller) -> None:
    loan = admin.make_loan(amount="100.00")
    admin.post(f"/loans/{loan['id']}/approve")
    admin.patch(f"/customers/{loan['customer_id']}", {"credit_limit": "99.99"})
    before = fingerprint(app)
    answer = admin.post(f"/loans/{loan['id']}/activate")
    assert refusal(answer) == (422, "credit-limit-exceeded")
    assert fingerprint(app) == before


def test_a_deposit_is_undone_by_an_entry_of_its_own(account: Holder) -> None:
    deposit = account.deposit("10.00", external_id="till-1")
    account.deposit("5.00")
    undone = created(account.reverse("till-1"))
    assert (undone["kind"], undone["direction"]) == ("reversal", "debit")
    assert (undone["amount"], undone["balance_after"]) == ("10.00", "5.00")
    assert (undone["reverses"], undone["note"]) == (deposit["id"], WHY["reason"])
    assert (account.balance, len(account.entries)) == ("5.00", 3)


def test_a_withdrawal_is_undone_by_an_entry_of_its_own(account: Holder) -> None:
    account.deposit("10.00")
    withdrawal = account.withdraw("4.00")
    undone = created(account.reverse(withdrawal["id"]))
    assert (undone["direction"], undone["balance_after"]) == ("credit", "10.00")
    assert (undone["reverses"], account.balance) == (withdrawal["id"], "10.00")


def test_a_deposit_whose_money_is_gone_is_not_undone(app: Flask, account: Holder) -> None:
    deposit = account.deposit("10.00")
    account.withdraw("0.01")
    before = fingerprint(app)
    assert refusal(account.reverse(deposit["id"])) == (422, "insufficient-funds")
    assert fingerprint(app) == before


def test_a_withdrawal_that_the_account_cannot_take_back_is_not_undone(
    app: Flask, account: Holder
) -> None:
    account.deposit("10.00")
    withdrawal = account.withdraw("10.00")
    account.deposit(FULL)
    before = fingerprint(app)
    assert refusal(account.reverse(withdrawal["id"])) == (422, "account-full")
    assert fingerprint(app) == before


def test_an_entry_is_not_undone_twice_nor_its_undoing(app: Flask, account: Holder) -> None:
    deposit = account.deposit("10.00")
    account.deposit("50.00")
    undone = created(account.reverse(deposit["id"]))
    before = fingerprint(app)
    for entry in (deposit, undone):
        assert refusal(account.reverse(entry["id"])) == NOT_REVERSIBLE
    assert fingerprint(app) == before


def test_disbursements_and_payments_are_not_undone_on_the_account(
    app: Flask, admin: Caller
) -> None:
    loan = admin.make_debt(amount="100.00")
    account = Holder(admin, loan["customer_id"])
    payment = admin.pay(account.id, "10.00", source="account")
    created(admin.post(f"/payments/{payment['id']}/reverse", WHY))
    assert [entry["kind"] for entry in account.entries] == ["reversal", "payment", "disbursement"]
    before = fingerprint(app)
    for entry in account.entries:
        assert refusal(account.reverse(entry["id"])) == NOT_REVERSIBLE
    assert fingerprint(app) == before


def test_an_entry_is_undone_on_its_own_account_only(
    app: Flask, admin: Caller, account: Holder
) -> None:
    deposit = account.deposit("10.00", external_id="till-1")
    other = Holder(admin, admin.make_customer()["id"])
    other.deposit("10.00")
    before = fingerprint(app)
    for ref in (deposit["id"], "till-1", "nothing"):
        assert refusal(other.reverse(ref)) == (404, "entry-not-found")
    assert fingerprint(app) == before


def test_only_an_admin_undoes_an_entry_and_says_why(
    app: Flask, officer: Caller, account: Holder
) -> None:
    deposit = account.deposit("10.00")
    before = fingerprint(app)
    assert refusal(account.reverse(deposit["id"], officer)) == (403, "admin-only")
    path = f"{account.path}/entries/{deposit['id']}/reverse"
    assert refusal(account.keeper.post(path, {})) == (422, "invalid")
    assert fingerprint(app) == before


def test_a_customer_with_an_entry_stays_though_the_account_is_empty(
    app: Flask, account: Holder
) -> None:
    account.deposit("10.00")
    account.withdraw("10.00")
    before = fingerprint(app)
    answer = account.keeper.delete(f"/customers/{account.id}")
    assert refusal(answer) == (409, "customer-in-use")
    assert fingerprint(app) == before


def test_a_customer_with_a_payment_stays_though_it_was_rejected(
    app: Flask, admin: Caller, customer: dict[str, Any]
) -> None:
    assert admin.pay(customer["id"], "1.00")["status"] == "REJECTED"
    before = fingerprint(app)
    answer = admin.delete(f"/customers/{customer['id']}")
    assert refusal(answer) == (409, "customer-in-use")
    assert fingerprint(app) == before


def test_a_customer_whose_account_was_only_looked_at_can_be_deleted(
    app: Flask, account: Holder
) -> None:
    assert account.balance == "0.00"
    assert refusal(account.send("withdrawals", "1.00")) == (422, "insufficient-funds")
    assert account.keeper.delete(f"/customers/{account.id}").status_code == 204
    assert execute(app, "SELECT count(*) FROM accounts") == (0,)


def test_movements_are_in_the_audit_trail(admin: Caller, account: Holder) -> None:
    deposit, withdrawal = account.deposit("10.00"), account.withdraw("4.00")
    undone = created(account.reverse(withdrawal["id"]))
    trail = admin.get("/reports/audit").json
    assert [(event["action"], event["subject_id"]) for event in trail[:3]] == [
        ("account.reversed", undone["id"]),
        ("account.withdrawn", withdrawal["id"]),
        ("account.deposited", deposit["id"]),
    ]
