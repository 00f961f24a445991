"""The demo's money, booked as the services book it, but on days gone by."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from app.db import db
from app.models import (
    Account,
    Customer,
    Journal,
    JournalKind,
    Loan,
    LoanStatus,
    Payment,
    PaymentSource,
    PaymentStatus,
    User,
)
from app.rules.distribution import Debt, spread
from app.services import ledger
from app.services.accounts import PAST
from app.services.actor import Actor
from app.services.ledger import CASH, NOTHING, OPPOSITE, Line, credit, debit
from seeding.cast import Movement
from seeding.people import new_id, note


class Cashier:
    """Books into the transaction at work, and notes on the audit trail who did it, and when."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.accounts: dict[UUID, Account] = {}
        self.booked: dict[UUID, tuple[Journal, Sequence[Line]]] = {}

    def disburse(self, at: datetime, by: User, loan: Loan) -> None:
        """Into the customer's account; the whole amount is owed from now on."""
        lines = (debit(loan, loan.amount), credit(self._account(loan.customer), loan.amount))
        self._book(at, by, JournalKind.DISBURSEMENT, lines, loan_id=loan.id)

    def move(self, at: datetime, by: User, movement: Movement, customer: Customer) -> Journal:
        """A deposit or a withdrawal."""
        amount, account = Decimal(movement.amount), self._account(customer)
        lines = (credit(account, amount), debit(CASH, amount))
        if movement.kind == JournalKind.WITHDRAWAL:
            lines = (debit(account, amount), credit(CASH, amount))
        journal = self._book(at, by, movement.kind, lines, external_id=movement.external_id)
        note(self.random, at, by, f"account.{PAST[movement.kind]}", journal.id, amount=str(amount))
        return journal

    def take_back(self, at: datetime, by: User, undone: Journal, reason: str) -> None:
        """Undo a deposit or a withdrawal."""
        journal = self._undo(at, by, undone.id, note=reason)
        amount = str(self.booked[undone.id][1][0].amount)
        note(self.random, at, by, f"account.{PAST[journal.kind]}", journal.id, amount=amount)

    def pay(
        self, at: datetime, by: User, movement: Movement, customer: Customer, loans: Sequence[Loan]
    ) -> Payment:
        """A payment, spread over what is owed of these loans; rejected if it is more than that."""
        debts = {loan.id: loan for loan in loans if loan.status == LoanStatus.ACTIVE}
        total = Decimal(movement.amount)
        is_owed = total <= sum(loan.outstanding for loan in debts.values())
        payment = self._payment(
            at,
            by,
            customer=customer,
            total_amount=total,
            source=movement.source,
            external_id=movement.external_id,
            status=PaymentStatus.COMPLETED if is_owed else PaymentStatus.REJECTED,
        )
        note(self.random, at, by, f"payment.{payment.status.lower()}", payment.id)
        if is_owed:
            lines = (debit(self._source(payment), total), *_shares(total, debts))
            self._book(at, by, JournalKind.PAYMENT, lines, payment_id=payment.id)
        return payment

    def reverse(self, at: datetime, by: User, undone: Payment, reason: str) -> None:
        """Undo a payment, which closed no loan."""
        values = {name: getattr(undone, name) for name in ("customer", "total_amount", "source")}
        references = {"status": PaymentStatus.REVERSED, "reverses": undone.id, "reason": reason}
        payment = self._payment(at, by, **values, **references)
        note(self.random, at, by, "payment.reversed", undone.id, by_payment=str(payment.id))
        self._undo(at, by, undone.id, note=reason, payment_id=payment.id)

    def _payment(self, at: datetime, by: User, **values: Any) -> Payment:
        paid_at = None if values["status"] == PaymentStatus.REJECTED else at
        ids = {"id": new_id(self.random, at), "created_by": by.id}
        payment = Payment(**ids, **values, paid_at=paid_at, created_at=at)
        db.session.add(payment)
        return payment

    def _undo(self, at: datetime, by: User, undone: UUID, **references: Any) -> Journal:
        journal, lines = self.booked[undone]
        mirrored = [Line(OPPOSITE[line.direction], line.target, line.amount) for line in lines]
        references["reverses"] = journal.id
        return self._book(at, by, JournalKind.REVERSAL, mirrored, **references)

    def _book(
        self, at: datetime, by: User, kind: JournalKind, lines: Sequence[Line], **references: Any
    ) -> Journal:
        actor = Actor(id=by.id, role=by.role)
        references |= {"id": new_id(self.random, at), "at": at}
        journal, _ = ledger.post(actor, kind, lines, **references)
        self.booked[journal.payment_id or journal.id] = journal, lines
        for line in lines:
            if isinstance(line.target, Loan):
                line.target.updated_at = at
        return journal

    def _source(self, payment: Payment) -> ledger.Target:
        from_account = payment.source == PaymentSource.ACCOUNT
        return self._account(payment.customer) if from_account else CASH

    def _account(self, customer: Customer) -> Account:
        empty = Account(customer_id=customer.id, balance=NOTHING)
        return self.accounts.setdefault(customer.id, empty)


def _shares(total: Decimal, loans: Mapping[UUID, Loan]) -> list[Line]:
    debts = [
        Debt(loan_id=loan.id, taken_at=loan.taken_at, outstanding=loan.outstanding)
        for loan in loans.values()
        if loan.taken_at is not None
    ]
    return [credit(loans[share.debt.loan_id], share.amount) for share in spread(total, debts)]
