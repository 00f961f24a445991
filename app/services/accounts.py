"""Customers' accounts: what the lender holds for them, paid in, paid out, and on record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app import config
from app.db import db, transaction
from app.errors import CustomerNotFound, EntryNotFound, EntryNotReversible
from app.models import Account, Customer, Entry, Journal, JournalKind
from app.rules.distribution import NOTHING
from app.services import audit, ledger
from app.services.access import find_customer, lock_customer, named, visible_customers
from app.services.actor import Actor
from app.services.ledger import CASH, OPPOSITE, Line, credit, debit
from app.services.pages import Order, Page, page_of

PAST: Mapping[JournalKind, str] = {
    JournalKind.DEPOSIT: "deposited",
    JournalKind.WITHDRAWAL: "withdrawn",
    JournalKind.REVERSAL: "reversed",
}
with_journal = joinedload(Entry.journal, innerjoin=True)


@dataclass(frozen=True, slots=True)
class Holding:
    """What the lender holds for a customer, in the currency of all its money."""

    balance: Decimal
    currency: str


def holding(actor: Actor, ref: str) -> Holding:
    """What the customer's account holds. Raises CustomerNotFound."""
    query = (
        visible_customers(actor)
        .where(named(Customer, ref))
        .outerjoin(Account, Account.customer_id == Customer.id)
        .with_only_columns(func.coalesce(Account.balance, NOTHING))
    )
    held = db.session.execute(query).scalar_one_or_none()
    if held is None:
        raise CustomerNotFound
    return Holding(held, config.current().currency)


def deposit(
    actor: Actor,
    ref: str,
    *,
    amount: Decimal,
    external_id: str | None = None,
    note: str | None = None,
) -> Entry:
    """Pay into a customer's account. Raises CustomerNotFound, AccountFull, ExternalIdTaken."""
    return _move(actor, ref, JournalKind.DEPOSIT, amount, external_id=external_id, note=note)


def withdraw(
    actor: Actor,
    ref: str,
    *,
    amount: Decimal,
    external_id: str | None = None,
    note: str | None = None,
) -> Entry:
    """Pay out of a customer's account.

    Raises CustomerNotFound, InsufficientFunds, ExternalIdTaken.
    """
    return _move(actor, ref, JournalKind.WITHDRAWAL, amount, external_id=external_id, note=note)


def entries(
    actor: Actor, ref: str, *, page: int, page_size: int, cursor: str | None = None
) -> Page[Entry]:
    """Page through what was booked on the customer's account, newest first."""
    customer = find_customer(actor, ref)
    booked = select(Entry).where(Entry.customer_id == customer.id)
    return page_of(
        booked,
        order=Order((Entry.id,)),
        page=page,
        page_size=page_size,
        cursor=cursor,
        options=(with_journal,),
    )


def reverse(actor: Actor, ref: str, entry_ref: str, *, reason: str) -> Entry:
    """Undo a deposit or a withdrawal, once, by a journal of its own. `entry_ref` is the entry's.

    Raises EntryNotFound, EntryNotReversible, InsufficientFunds, AccountFull.
    """
    actor.must_be_admin()
    with transaction():
        customer = lock_customer(actor, ref)
        undone = _find_entry(customer, entry_ref)
        if undone.journal.kind not in (JournalKind.DEPOSIT, JournalKind.WITHDRAWAL):
            raise EntryNotReversible(f"A {undone.journal.kind} is not undone here.")
        _must_stand(undone.journal_id)
        account = ledger.lock_account(customer)
        lines = (
            Line(OPPOSITE[undone.direction], account, undone.amount),
            Line(undone.direction, CASH, undone.amount),
        )
        references = {"reverses": undone.journal_id, "note": reason}
        return _post(actor, JournalKind.REVERSAL, lines, **references)


def _move(actor: Actor, ref: str, kind: JournalKind, amount: Decimal, **told: str | None) -> Entry:
    actor.must_be_staff()
    with transaction():
        account = ledger.lock_account(lock_customer(actor, ref))
        if kind == JournalKind.DEPOSIT:
            lines = (credit(account, amount), debit(CASH, amount))
        else:
            lines = (debit(account, amount), credit(CASH, amount))
        return _post(actor, kind, lines, **told)


def _post(actor: Actor, kind: JournalKind, lines: Sequence[Line], **references: Any) -> Entry:
    """Book a movement of the account against the cash; the account's entry."""
    journal, (entry, _) = ledger.post(actor, kind, lines, **references)
    told = {"customer_id": str(entry.customer_id), "amount": str(entry.amount)}
    audit.record(actor, f"account.{PAST[kind]}", journal, **told)
    return entry


def _find_entry(customer: Customer, ref: str) -> Entry:
    query = select(Entry).join(Entry.journal).options(with_journal)
    entry = db.session.scalar(query.where(Entry.customer_id == customer.id, named(Journal, ref)))
    if entry is None:
        raise EntryNotFound
    return entry


def _must_stand(journal_id: UUID) -> None:
    """Raise EntryNotReversible where it has been undone; the customer is locked."""
    if db.session.scalar(select(Journal.id).where(Journal.reverses == journal_id)) is not None:
        raise EntryNotReversible("It has been reversed before.")
