"""Whatever contradicts the ledger is found and named; triggers are off, as an owner can have it."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.db import Base, db
from app.models import Journal
from app.services import books
from app.services.books import CHECKS, Difference
from tests.factories import Caller, created

Names = dict[str, str]
Found = Callable[[], list[Difference]]
GUARDED = ("payments", "journal", "entries", "loans", "audit_events")
# What is spoiled is to be found by the ledger, and not by its tallies going on as they were.
TALLIED = ("payments", "loans", "audit_events")
# The checks that would refuse the damage before it is done.
CONSTRAINTS = """
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'c' AND conrelid::regclass::text IN ('accounts', 'entries', 'loans')
"""
# And the indexes that would refuse it.
INDEXES = """
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index
WHERE indisunique AND NOT indisprimary AND indrelid::regclass::text IN ('journal', 'payments')
"""
OPEN_CURSORS = """
SELECT count(*) FROM pg_cursors WHERE statement LIKE '%FULL OUTER JOIN%' AND NOT is_holdable
  AND statement NOT LIKE '%pg_cursors%'
"""


@pytest.fixture
def book(admin: Caller) -> Names:
    """Every kind of event, and the ids of what took part in it."""
    ada, bob = admin.make_customer(), admin.make_customer()
    names = {"ada": ada["id"], "bob": bob["id"], "carol": admin.make_customer()["id"]}
    for name, customer, amount in (
        ("old", ada, "100.00"),
        ("new", ada, "200.00"),
        ("bobs", bob, "300.00"),
    ):
        names[name] = admin.make_loan(customer, amount=amount)["id"]
        assert admin.post(f"/loans/{names[name]}/activate", {}).status_code == 200
    names["pending"] = admin.make_loan(bob)["id"]
    names["deposit"] = moved(admin, ada, "deposits", "50.00")
    names["withdrawal"] = moved(admin, ada, "withdrawals", "30.00")
    names["typo"] = moved(admin, ada, "deposits", "7.00")
    path = f"/customers/{ada['id']}/account/entries/{names['typo']}/reverse"
    names["corrected"] = created(admin.post(path, {"reason": "a typo"}))["id"]
    names["both"] = paid(admin, ada, "150.00")
    names["account"] = paid(admin, ada, "20.00", source="account")
    names["undone"] = paid(admin, bob, "40.00")
    path = f"/payments/{names['undone']}/reverse"
    names["undoing"] = created(admin.post(path, {"reason": "it bounced"}))["id"]
    names["rejected"] = paid(admin, bob, "9999.00")
    return {**names, **journals(admin.app, names)}


def journals(app: Flask, names: Names) -> Names:
    """The journal of each payment and disbursement."""
    with app.app_context(), db.engine.connect() as connection:
        rows = connection.execute(select(Journal.id, Journal.payment_id, Journal.loan_id)).all()
    booked = {str(payment or loan): str(journal) for journal, payment, loan in rows}
    return {f"{name} journal": booked[each] for name, each in names.items() if each in booked}


def moved(admin: Caller, customer: dict[str, Any], kind: str, amount: str) -> str:
    path = f"/customers/{customer['id']}/account/{kind}"
    return str(created(admin.post(path, {"amount": amount}))["id"])


def paid(admin: Caller, customer: dict[str, Any], amount: str, **given: str) -> str:
    body = {"customer_id": customer["id"], "total_amount": amount, **given}
    return str(created(admin.post("/payments/", body))["id"])


@pytest.fixture
def found(app: Flask) -> Found:
    """All differences."""

    def find() -> list[Difference]:
        with app.app_context():
            return list(books.differences())

    return find


def test_books_that_the_services_kept_are_right(book: Names, found: Found) -> None:
    assert found() == []


def test_empty_books_are_right(clean: None, found: Found) -> None:
    assert found() == []


@pytest.fixture
def damage(app: Flask) -> Iterator[Callable[[str, Names], None]]:
    """Change the books behind the service's back. Constraints in the way are put back at last."""
    dropped: list[str] = []

    def spoil(statements: str, names: Names) -> None:
        with app.app_context(), db.engine.connect() as connection:
            for table in GUARDED:
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
            for table, change in product(TALLIED, ("insert", "update", "delete")):
                connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER tally_{change}"))
            for table, name, definition in connection.execute(text(CONSTRAINTS)).all():
                dropped.append(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
                connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
            for name, definition in connection.execute(text(INDEXES)).all():
                dropped.append(definition)
                connection.execute(text(f"DROP INDEX {name}"))
            for statement in statements.format(**names).split(";"):
                assert connection.execute(text(statement)).rowcount > 0, statement

    yield spoil
    with app.app_context(), db.engine.connect() as connection:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
        for table in GUARDED:
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
        for definition in dropped:
            connection.execute(text(definition))


# What is done to the books, and what each check says of it: records by their names, entries by +.
DAMAGES: dict[str, dict[str, list[str]]] = {
    "UPDATE entries SET amount = 41 WHERE journal_id = '{undone journal}' AND book = 'cash'": {
        "journals": [
            "journal <undone journal>: lines cash debit 41.00; receivable <bobs> credit 40.00, "
            "which do not balance"
        ],
        "reversals": [
            "journal <undoing journal>: 0 of cash credit 41.00, by what it reverses 1",
            "journal <undoing journal>: 1 of cash credit 40.00, by what it reverses 0",
        ],
        "debits and credits": ["all entries: debits 945.00, credits 944.00"],
    },
    "DELETE FROM entries WHERE journal_id = '{typo}'": {
        "journals": ["journal <typo>: lines none, but it is a deposit"],
        "reversals": [
            "journal <corrected>: 1 of cash credit 7.00, by what it reverses 0",
            "journal <corrected>: 1 of customer <ada> debit 7.00, by what it reverses 0",
        ],
        "accounts": ["account of customer <ada>: balance 300.00, by the ledger 293.00"],
        "held after": [
            "entry +: then held 300.00, by the entries up to it 293.00",
            "entry +: then held 320.00, by the entries up to it 313.00",
        ],
    },
    "UPDATE entries SET journal_id = '{withdrawal}' WHERE journal_id = '{deposit}'": {
        "journals": [
            "journal <deposit>: lines none, but it is a deposit",
            "journal <withdrawal>: lines customer <ada> credit 50.00; cash debit 50.00; customer "
            "<ada> debit 30.00; cash credit 30.00, but it is a withdrawal",
        ],
    },
    "UPDATE journal SET kind = 'withdrawal' WHERE id = '{deposit}'": {
        "journals": [
            "journal <deposit>: lines customer <ada> credit 50.00; cash debit 50.00, "
            "but it is a withdrawal"
        ],
    },
    "UPDATE journal SET kind = 'deposit' WHERE id = '{withdrawal}'": {
        "journals": [
            "journal <withdrawal>: lines customer <ada> debit 30.00; cash credit 30.00, "
            "but it is a deposit"
        ],
    },
    "UPDATE loans SET amount = 250 WHERE id = '{new}'": {
        "journals": [
            "journal <new journal>: lines receivable <new> debit 200.00; customer <ada> credit "
            "200.00, but it is a disbursement of 250.00 on <new>"
        ],
    },
    "UPDATE entries SET customer_id = '{carol}' WHERE book = 'customer' AND amount = 300;"
    "UPDATE accounts SET customer_id = '{carol}' WHERE customer_id = '{bob}'": {
        "journals": [
            "journal <bobs journal>: lines receivable <bobs> debit 300.00; customer <carol> credit "
            "300.00, but it is a disbursement of 300.00 on <bobs>"
        ],
    },
    "UPDATE payments SET total_amount = 149 WHERE id = '{both}'": {
        "journals": [
            "journal <both journal>: lines cash debit 150.00; receivable <old> credit 100.00; "
            "receivable <new> credit 50.00, but it is a payment of 149.00 external <both>"
        ],
        "principal": ["all loans: outstanding and paid 599.00, disbursed 600.00"],
    },
    "UPDATE payments SET source = 'external' WHERE id = '{account}'": {
        "journals": [
            "journal <account journal>: lines customer <ada> debit 20.00; receivable <new> credit "
            "20.00, but it is a payment of 20.00 external <account>"
        ],
    },
    "UPDATE payments SET customer_id = '{bob}' WHERE id = '{both}'": {
        "journals": [
            "journal <both journal>: lines cash debit 150.00; receivable <old> credit 100.00; "
            "receivable <new> credit 50.00, but it is a payment of 150.00 external <both>"
        ],
    },
    "UPDATE payments SET total_amount = 39 WHERE id = '{undoing}'": {
        "undone payments": [
            "payment <undoing>: undoes COMPLETED external 39.00 of customer <bob> in journal "
            "<undone journal>, but that is COMPLETED external 40.00 of customer <bob> in journal "
            "<undone journal>"
        ],
        "principal": ["all loans: outstanding and paid 601.00, disbursed 600.00"],
    },
    "UPDATE payments SET status = 'REJECTED', paid_at = NULL WHERE id = '{both}'": {
        "journals of payments": ["payment <both>: booked by payment, by its status none"],
        "principal": ["all loans: outstanding and paid 450.00, disbursed 600.00"],
    },
    "UPDATE payments SET status = 'COMPLETED', paid_at = created_at WHERE id = '{rejected}'": {
        "journals of payments": ["payment <rejected>: booked by none, by its status payment"],
        "principal": ["all loans: outstanding and paid 10599.00, disbursed 600.00"],
    },
    "UPDATE payments SET reverses = '{both}' WHERE id = '{undoing}'": {
        "undone payments": [
            "payment <undoing>: undoes COMPLETED external 40.00 of customer <bob> in journal "
            "<undone journal>, but that is COMPLETED external 150.00 of customer <ada> in journal "
            "<both journal>"
        ],
    },
    "UPDATE journal SET payment_id = NULL WHERE id = '{undoing journal}'": {
        "undone": [
            "journal <undoing journal>: reverses a payment without a payment of its own, "
            "which is not done"
        ],
        "journals of payments": ["payment <undoing>: booked by none, by its status reversal"],
        "undone payments": [
            "payment <undoing>: undoes COMPLETED external 40.00 of customer <bob> in journal, "
            "but that is COMPLETED external 40.00 of customer <bob> in journal <undone journal>"
        ],
    },
    "UPDATE loans SET taken_at = 'epoch' WHERE id = '{new}';"
    "UPDATE journal SET loan_id = '{old}' WHERE id = '{new journal}'": {
        "journals": [
            "journal <new journal>: lines receivable <new> debit 200.00; customer <ada> "
            "credit 200.00, but it is a disbursement of 100.00 on <old>",
        ],
        "disbursed": [
            "loan <new>: taken at 1970-01-01 00:00:00+00:00, but it has none",
        ],
        "singles": [
            "disbursement of loan <old>: stands 2 times, at most 1",
        ],
        "deeds": [
            "audit event +: tells of loan.activated <new>, of which the books have nothing",
        ],
    },
    "UPDATE journal SET payment_id = '{both}' WHERE id = '{account journal}'": {
        "journals": [
            "journal <account journal>: lines customer <ada> debit 20.00; receivable <new> "
            "credit 20.00, but it is a payment of 150.00 external <both>",
        ],
        "journals of payments": [
            "payment <account>: booked by none, by its status payment",
        ],
        "singles": [
            "journal of payment <both>: stands 2 times, at most 1",
        ],
    },
    "UPDATE journal SET reverses = '{typo}' WHERE id = '{undoing journal}'": {
        "reversals": [
            "journal <undoing journal>: 0 of cash credit 7.00, by what it reverses 1",
            "journal <undoing journal>: 0 of customer <ada> debit 7.00, by what it reverses 1",
            "journal <undoing journal>: 1 of cash credit 40.00, by what it reverses 0",
            "journal <undoing journal>: 1 of receivable <bobs> debit 40.00, by what it reverses 0",
        ],
        "undone": [
            "journal <undoing journal>: reverses a deposit with a payment of its own, "
            "which is not done",
        ],
        "undone payments": [
            "payment <undoing>: undoes COMPLETED external 40.00 of customer <bob> in "
            "journal <typo>, but that is COMPLETED external 40.00 of customer <bob> in "
            "journal <undone journal>",
        ],
        "singles": [
            "reversal of journal <typo>: stands 2 times, at most 1",
        ],
    },
    "UPDATE payments SET status = 'REVERSED', reverses = '{undone}', paid_at = created_at "
    "WHERE id = '{rejected}'": {
        "journals of payments": [
            "payment <rejected>: booked by none, by its status reversal",
        ],
        "undone payments": [
            "payment <rejected>: undoes COMPLETED external 9999.00 of customer <bob> in "
            "journal, but that is COMPLETED external 40.00 of customer <bob> in journal "
            "<undone journal>",
        ],
        "singles": [
            "reversal of payment <undone>: stands 2 times, at most 1",
        ],
        "principal": [
            "all loans: outstanding and paid -9399.00, disbursed 600.00",
        ],
    },
    "DELETE FROM payments WHERE id = '{rejected}'": {
        "deeds": [
            "audit event +: tells of payment.rejected <rejected>, of which the books have nothing"
        ],
    },
    "UPDATE audit_events SET subject_id = '{carol}' WHERE subject_id IN ('{bobs}', '{deposit}')": {
        "deeds": [
            "audit event +: tells of account.deposited <carol>, of which the books have nothing",
            "audit event +: tells of loan.activated <carol>, of which the books have nothing",
        ],
    },
    "UPDATE loans SET outstanding = outstanding - 1 WHERE id = '{bobs}'": {
        "outstanding": ["loan <bobs>: outstanding 299.00, by the ledger 300.00"],
        "principal": ["all loans: outstanding and paid 599.00, disbursed 600.00"],
    },
    "UPDATE loans SET taken_at = NULL WHERE id = '{bobs}'": {
        "disbursed": ["loan <bobs>: taken at none, but it has a disbursement"],
    },
    "UPDATE loans SET taken_at = 'epoch', status = 'PAID' WHERE id = '{pending}'": {
        "disbursed": ["loan <pending>: taken at 1970-01-01 00:00:00+00:00, but it has none"],
    },
    "UPDATE entries SET loan_id = '{pending}', balance_after = balance_after - 300 "
    "WHERE loan_id = '{bobs}' AND amount = 40;"
    "UPDATE loans SET customer_id = '{bob}' WHERE id = '{pending}'": {
        "disbursed": ["loan <pending>: taken at none, but it has entries"],
    },
    "UPDATE loans SET status = 'PAID' WHERE id = '{bobs}'": {
        "statuses": ["loan <bobs>: it is PAID, by what it owes ACTIVE"],
    },
    "UPDATE loans SET status = 'ACTIVE' WHERE id = '{old}'": {
        "statuses": ["loan <old>: it is ACTIVE, by what it owes PAID"],
    },
    "UPDATE loans SET status = 'ACTIVE' WHERE id = '{pending}'": {
        "statuses": ["loan <pending>: it is ACTIVE, by what it owes none"],
    },
    "UPDATE accounts SET balance = -1 WHERE customer_id = '{bob}'": {
        "accounts": ["account of customer <bob>: balance -1.00, by the ledger 300.00"],
        "overdrawn": ["account of customer <bob>: balance -1.00, at least 0.00"],
    },
    "UPDATE accounts SET customer_id = '{carol}' WHERE customer_id = '{bob}'": {
        "accounts": [
            "account of customer <bob>: balance none, by the ledger 300.00",
            "account of customer <carol>: balance 300.00, by the ledger none",
        ],
    },
    "UPDATE entries SET balance_after = 1 WHERE loan_id = '{bobs}' AND direction = 'credit'": {
        "owed after": ["entry +: then owed 1.00, by the entries up to it 260.00"],
    },
    "UPDATE entries SET balance_after = 1 WHERE customer_id = '{bob}'": {
        "held after": ["entry +: then held 1.00, by the entries up to it 300.00"],
    },
    "UPDATE loans SET open_flags = 2 WHERE id = '{pending}'": {
        "open flags": ["loan <pending>: open flags 2, on record 0"],
    },
    "DELETE FROM tally_changes WHERE subject = 'loans' AND kind IN ('PENDING', 'PAID')": {
        "tallied loans": [
            "loans of today PAID: tallied 0, on record 1 0.25 100.00",
            "loans of today PENDING: tallied 0, on record 1 0.50 25000.00",
        ],
    },
    "UPDATE tally_changes SET amount = amount + 1 WHERE subject = 'loans' AND kind = 'PAID'": {
        "tallied loans": [
            "loans of today PAID: tallied 1 0.25 101.00, on record 1 0.25 100.00",
        ],
    },
    "UPDATE tally_changes SET is_flagged = true WHERE subject = 'loans' AND kind = 'PAID'": {
        "tallied loans": [
            "loans of today PAID flagged: tallied 1 0.25 100.00, on record 0",
            "loans of today PAID: tallied 0, on record 1 0.25 100.00",
        ],
    },
    "UPDATE tally_changes SET day = '2001-02-03' WHERE subject = 'customers'": {
        "tallied customers": [
            "customers of 2001-02-03 ACTIVE: tallied 3, on record 0",
            "customers of today ACTIVE: tallied 0, on record 3",
        ],
    },
    "INSERT INTO tallies VALUES ('payments', 'day', '2001-02-03', 'REJECTED', false, 5, 0, 0, 0)": {
        "tallied payments": ["payments of 2001-02-03 REJECTED: tallied 5, on record 0"],
        "tallied spans": [
            "tallies of payments ever 0001-01-01 REJECTED: tallied 0, by the days 5",
            "tallies of payments month 2001-02-01 REJECTED: tallied 0, by the days 5",
        ],
    },
    "DELETE FROM tally_changes WHERE subject = 'audit' AND kind = 'payment.rejected'": {
        "tallied audit events": [
            "audit events of today payment.rejected: tallied 0, on record 1",
        ],
    },
    "INSERT INTO tallies VALUES ('loans', 'ever', '0001-01-01', 'PAID', false, 1, 0.5, 2, 3)": {
        "tallied spans": [
            "tallies of loans ever 0001-01-01 PAID: tallied 1 0.5 2 3, by the days 0",
        ],
    },
    "INSERT INTO search_tallies VALUES ('zq', '2001-02-01', 'ACTIVE', 3)": {
        "tallied letters": ["letters 'zq' 2001-02-01 ACTIVE: tallied 3, on record 0"],
    },
}


@pytest.mark.parametrize("statements", DAMAGES)
def test_damage_is_found_and_nothing_else_is(
    statements: str, book: Names, damage: Callable[[str, Names], None], found: Found
) -> None:
    damage(statements, book)
    named = {identity: f"<{name}>" for name, identity in book.items()}
    told: dict[str, list[str]] = {}
    for difference in found():
        line = re.sub(r"(entry|audit event) [0-9a-f-]+", r"\1 +", str(difference))
        line = re.sub(r"[0-9a-f-]{36}", lambda each: named[each[0]], line)
        line = line.replace(str(datetime.now(UTC).date()), "today")
        told.setdefault(difference.check, []).append(line)
    assert {name: sorted(lines) for name, lines in told.items()} == DAMAGES[statements]


def test_every_check_is_seen_to_find_something() -> None:
    assert {name for told in DAMAGES.values() for name in told} == {each.name for each in CHECKS}


def test_what_changes_meanwhile_is_not_seen(app: Flask, book: Names, found: Found) -> None:
    with app.app_context(), books.opened() as view:
        with db.engine.connect() as connection:
            connection.execute(text("UPDATE accounts SET balance = 1"))
        assert [each for check in CHECKS for each in view.differences(check)] == []
    assert len(found()) == 2


def test_differences_wait_in_the_database_until_they_are_asked_for(app: Flask, book: Names) -> None:
    check = next(each for each in CHECKS if each.name == "accounts")
    with app.app_context():
        with db.engine.connect() as connection:
            connection.execute(text("UPDATE accounts SET balance = 1"))
        with books.opened() as opened:
            differences = opened.differences(check)
            next(differences)
            assert opened.view.execute(text(OPEN_CURSORS)).scalar() == 1
