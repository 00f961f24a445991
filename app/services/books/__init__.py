"""The books, verified: that nothing which is kept contradicts the ledger, or the ledger itself.

All of it on one snapshot, by statements that go through a table each and answer only what differs:

- `journals`: each journal balances, and has just the lines of its kind, or the mirrored lines of
  what it reverses. With that, sums over entries mean what they say, and the details of a payment
  add up to its total: one line takes all of that, and all others give it to the payer's loans.
- `balances`: what loans owe and accounts hold, now and after each entry, are sums over entries;
  statuses agree with them; and a loan was disbursed exactly where it says so.
- `payments`: each is booked as its status says; a reversal undoes one payment, by its total.
- `singles`: what can happen once is there once.
- `deeds`: what the audit trail tells of is there.
- `totals`: over everything at once, debits are credits, and what was lent is owed or was paid.
- `tallies`: what is tallied, of records that are here or elsewhere, is what there is.
- `search`: and so is what is tallied of the letters that customers are sought by.

That a record which is referred to exists, and is referred to once, is not asked: PostgreSQL's keys
see to it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from app.db import snapshot
from app.models import Account, AuditEvent, Customer, Entry, Journal, Loan, Payment, Tally
from app.services.books import (
    balances,
    deeds,
    journals,
    payments,
    search,
    singles,
    tallies,
    totals,
)
from app.services.books.checks import Check, Difference

__all__ = ["CHECKS", "Books", "Check", "Difference", "differences", "opened"]

CHECKS = tuple(
    each
    for module in (journals, balances, payments, singles, deeds, totals, tallies, search)
    for each in vars(module).values()
    if isinstance(each, Check)
)
COUNTED = {
    "entries": Entry,
    "journals": Journal,
    "loans": Loan,
    "accounts": Account,
    "payments": Payment,
    "audit events": AuditEvent,
    "customers": Customer,
    "tallies": Tally,
}
# Whole tables are joined and sorted, every row is wanted, and there are few statements.
SETTINGS = {"work_mem": "64MB", "cursor_tuple_fraction": "1", "jit": "off"}


@dataclass(frozen=True, slots=True)
class Books:
    """One unchanging view of the books; `counts` is how many records there are, by table."""

    view: Connection
    counts: Mapping[str, int]

    def differences(self, check: Check) -> Iterator[Difference]:
        """What one check finds, row by row."""
        with self.view.execute(check.statement()) as rows:
            yield from map(check.difference, rows)


@contextmanager
def opened() -> Iterator[Books]:
    """The books as they are now, to be checked."""
    with snapshot() as view:
        view.execute(select(*(func.set_config(*each, True) for each in SETTINGS.items()))).all()
        counts = {
            name: view.execute(select(func.count()).select_from(model)).scalar_one()
            for name, model in COUNTED.items()
        }
        yield Books(view, counts)


def differences() -> Iterator[Difference]:
    """Every difference that any check finds, in one snapshot."""
    with opened() as books:
        for check in CHECKS:
            yield from books.differences(check)
