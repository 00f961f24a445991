"""Moving money: the only writer of the ledger, and of the balances that are kept beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.db import append, db
from app.errors import AccountFull, InsufficientFunds
from app.models import Account, Book, Customer, Direction, Entry, Journal, JournalKind, Loan
from app.models.loan import MOST
from app.rules.distribution import NOTHING
from app.services.actor import Actor

FULL = Decimal(MOST)
OPPOSITE = {Direction.DEBIT: Direction.CREDIT, Direction.CREDIT: Direction.DEBIT}


class Cash:
    """The lender's cash, of which only the entries are kept."""


CASH = Cash()
Target = Cash | Loan | Account


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a movement: what is debited or credited, and by how much."""

    direction: Direction
    target: Target
    amount: Decimal


def debit(target: Target, amount: Decimal) -> Line:
    return Line(Direction.DEBIT, target, amount)


def credit(target: Target, amount: Decimal) -> Line:
    return Line(Direction.CREDIT, target, amount)


def lock_account(customer: Customer) -> Account:
    """The customer's account, locked; a new one where there was none. The customer must be locked.

    One that nothing is booked on is not kept.
    """
    account = db.session.get(Account, customer.id, with_for_update=True, populate_existing=True)
    return account or Account(customer_id=customer.id, balance=NOTHING)


def post(
    actor: Actor, kind: JournalKind, lines: Sequence[Line], **references: Any
) -> tuple[Journal, list[Entry]]:
    """Book one event in the transaction at work, and bring each loan and account to its balance.

    What the lines touch is locked. `references` are the journal's. Raises InsufficientFunds,
    AccountFull; PostgreSQL refuses lines that do not balance, and a loan beyond its amount.
    """
    journal = Journal(kind=kind, actor_id=actor.id, actor_kind=actor.kind, **references)
    entries = [_booked(journal, line) for line in lines]
    append(journal, *entries)
    return journal, entries


def _booked(journal: Journal, line: Line) -> Entry:
    entry = Entry(
        journal=journal, journal_id=journal.id, direction=line.direction, amount=line.amount
    )
    target = line.target
    if isinstance(target, Loan):
        entry.book, entry.loan, entry.loan_id = Book.RECEIVABLE, target, target.id
        entry.balance_after = target.outstanding = _after(line, target.outstanding, Direction.DEBIT)
    elif isinstance(target, Account):
        entry.book, entry.customer_id = Book.CUSTOMER, target.customer_id
        entry.balance_after = target.balance = _held(_after(line, target.balance, Direction.CREDIT))
        db.session.add(target)
    else:
        entry.book = Book.CASH
    return entry


def _after(line: Line, balance: Decimal, raised_by: Direction) -> Decimal:
    return balance + line.amount if line.direction == raised_by else balance - line.amount


def _held(balance: Decimal) -> Decimal:
    if balance < NOTHING:
        raise InsufficientFunds
    if balance > FULL:
        raise AccountFull
    return balance
