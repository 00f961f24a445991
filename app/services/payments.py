"""Payments: spread over what a customer owes, refused beyond it, undone exactly."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm.attributes import set_committed_value

from app.db import append, db, transaction
from app.errors import PaymentNotReversible
from app.models import (
    Customer,
    JournalKind,
    Loan,
    LoanStatus,
    Payment,
    PaymentSource,
    PaymentStatus,
)
from app.models.base import now
from app.rules.distribution import NOTHING, Debt, spread
from app.services import audit, ledger
from app.services.access import (
    find_payment,
    lock_customer,
    lock_payer,
)
from app.services.actor import Actor
from app.services.ledger import CASH, credit, debit
from app.services.pages import Page
from app.services.records import PAYMENTS, of_customer, own

Loans = Mapping[UUID, Loan]
Value = TypeVar("Value")

_LOCKED = select(Loan).order_by(Loan.id).with_for_update().execution_options(populate_existing=True)
_DEBTS = _LOCKED.where(
    Loan.customer_id == bindparam("customer_id"), Loan.status == LoanStatus.ACTIVE
)
_PAID = _LOCKED.where(Loan.id.in_(bindparam("ids", expanding=True)))


def pay(
    actor: Actor,
    *,
    customer: str,
    total_amount: Decimal,
    source: PaymentSource = PaymentSource.EXTERNAL,
    external_id: str | None = None,
) -> Payment:
    """Take a payment and spread it over the customer's debts, the oldest first.

    More than all of them is on record as REJECTED, and moves nothing. `customer` is an id or an
    external id. Raises CustomerNotFound, InsufficientFunds, ExternalIdTaken.
    """
    actor.must_be_staff()
    with transaction():
        payer = lock_customer(actor, customer)
        account = ledger.lock_account(payer) if source == PaymentSource.ACCOUNT else CASH
        loans = _lock_debts(payer)
        is_owed = total_amount <= sum(loan.outstanding for loan in loans.values())
        payment = _written(
            actor,
            payer,
            total_amount=total_amount,
            source=source,
            external_id=external_id,
            status=PaymentStatus.COMPLETED if is_owed else PaymentStatus.REJECTED,
        )
        audit.record(actor, f"payment.{payment.status.lower()}", payment)
        if is_owed:
            _settle(actor, payment, account, loans)
    return payment


def search(
    actor: Actor, *, page: int, page_size: int, cursor: str | None = None, **filters: Any
) -> Page[Any]:
    """Page through the visible payments that meet the filters of `asked`, newest first.

    Raises Invalid for a cursor of another list.
    """
    wanted = asked(actor, **filters)
    return PAYMENTS.page(wanted, page=page, page_size=page_size, cursor=cursor)


def asked(
    actor: Actor,
    *,
    customer: str | None = None,
    status: PaymentStatus | None = None,
    **days: Any,
) -> Mapping[str, Any]:
    """What filters ask PAYMENTS for, of the visible ones; `days` are `first` and `last`."""
    question: dict[str, Any] = {**own(actor), **days}
    if customer is not None:
        question |= of_customer(customer)
    if status is not None:
        question["status"] = str(status)
    return question


def reverse(actor: Actor, ref: str, *, reason: str) -> Payment:
    """Undo a payment, once, by a payment that puts back what it took from each loan.

    Loans that it had closed are reopened; what was paid later stays. Raises PaymentNotFound, Stale,
    PaymentNotReversible, AccountFull.
    """
    actor.must_be_admin()
    with transaction():
        payer = lock_payer(actor, ref)
        undone = find_payment(actor, ref)
        actor.must_expect(undone)
        _must_stand(undone)
        from_account = undone.source == PaymentSource.ACCOUNT
        account = ledger.lock_account(payer) if from_account else CASH
        loans = _lock_paid(undone)
        payment = _written(
            actor,
            payer,
            total_amount=undone.total_amount,
            source=undone.source,
            status=PaymentStatus.REVERSED,
            reverses=undone.id,
            reason=reason,
        )
        audit.record(actor, "payment.reversed", undone, by_payment=str(payment.id))
        _restore(actor, payment, undone, account, loans)
    return payment


def _settle(actor: Actor, payment: Payment, account: ledger.Target, loans: Loans) -> None:
    debts = [
        Debt(loan_id=loan.id, taken_at=_known(loan.taken_at), outstanding=loan.outstanding)
        for loan in loans.values()
    ]
    shares = [
        (loans[share.debt.loan_id], share.amount) for share in spread(payment.total_amount, debts)
    ]
    lines = [credit(loan, amount) for loan, amount in shares]
    source = debit(account, payment.total_amount)
    _, (_, *details) = ledger.post(
        actor, JournalKind.PAYMENT, (source, *lines), payment_id=payment.id
    )
    for loan, _ in shares:
        if loan.outstanding == NOTHING:
            loan.move_to(LoanStatus.PAID, by=actor.id)
    set_committed_value(payment, "payment_details", details)


def _restore(
    actor: Actor, payment: Payment, undone: Payment, account: ledger.Target, loans: Loans
) -> None:
    lines = [
        debit(loans[_known(detail.loan_id)], detail.amount) for detail in undone.payment_details
    ]
    sink = credit(account, payment.total_amount)
    _, (_, *details) = ledger.post(
        actor,
        JournalKind.REVERSAL,
        (sink, *lines),
        payment_id=payment.id,
        reverses=undone.payment_details[0].journal_id,
        note=payment.reason,
    )
    for loan in loans.values():
        if loan.status == LoanStatus.PAID:
            loan.reopen(by=actor.id, reason=_known(payment.reason))
    set_committed_value(payment, "payment_details", details)


def _written(actor: Actor, customer: Customer, **values: Any) -> Payment:
    at = now()
    payment = Payment(
        customer=customer,
        customer_id=customer.id,
        paid_at=None if values["status"] == PaymentStatus.REJECTED else at,
        created_at=at,
        created_by=actor.id,
        **values,
    )
    append(payment)
    set_committed_value(payment, "payment_details", [])
    set_committed_value(payment, "reversal", None)
    return payment


def _must_stand(payment: Payment) -> None:
    """Raise PaymentNotReversible for what moved nothing, or was undone; its customer is locked."""
    if payment.status != PaymentStatus.COMPLETED:
        raise PaymentNotReversible(f"A payment that is {payment.status} is not reversed.")
    if payment.reversal is not None:
        raise PaymentNotReversible("It has been reversed before.")


def _lock_debts(customer: Customer) -> Loans:
    """The customer's debts, locked in the order of their ids."""
    return _locked(_DEBTS, {"customer_id": customer.id})


def _lock_paid(payment: Payment) -> Loans:
    """The loans that a payment went to, locked in the order of their ids."""
    return _locked(_PAID, {"ids": [detail.loan_id for detail in payment.payment_details]})


def _locked(query: Select[Loan], asked: dict[str, Any]) -> Loans:
    return {loan.id: loan for loan in db.session.scalars(query, asked)}


def _known(value: Value | None) -> Value:
    """What a constraint of the database says is there."""
    assert value is not None  # noqa: S101 (the constraint holds)
    return value
