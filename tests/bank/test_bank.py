"""Many tellers at once: what they were told, to the cent, is what the books hold."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from flask import Flask

from tests.bank.books import Auditor
from tests.bank.sizes import BANK_CLIENTS, BANK_OPERATIONS, BANK_SEEDS
from tests.bank.tellers import Counters, Records, Teller
from tests.factories import Caller
from tests.figures import report
from tests.serving import Service

CLIENTS_A_CUSTOMER = 4
HELD = """
    SELECT customer_id::text, (100 * balance)::bigint FROM accounts UNION ALL
    SELECT id::text, (100 * outstanding)::bigint FROM loans"""
PAYMENTS = "SELECT id::text FROM payments"
CASH_JOURNALS = """
    SELECT id::text FROM journal WHERE kind IN ('deposit', 'withdrawal')
    UNION ALL SELECT id::text FROM journal WHERE kind = 'reversal' AND payment_id IS NULL"""


@pytest.mark.parametrize("seed", BANK_SEEDS)
def test_the_books_hold_what_was_acknowledged_to_the_cent(
    seed: int, app: Flask, environ: dict[str, str], service: Service, teller: Caller
) -> None:
    url = environ["DATABASE_URL"]
    customers = [
        teller.make_customer()["id"] for _ in range(max(4, BANK_CLIENTS // CLIENTS_A_CUSTOMER))
    ]
    counters = Counters(service, teller.headers, customers)
    with Auditor(url) as auditor:
        records = worked(counters, seed)
    differences = difference(url, records)
    report(
        f"No cent is created or lost (seed {seed})",
        **{
            "operations": records.operations,
            "sent again": records.sent_again,
            "differences": differences,
            "negative": auditor.negative,
            "snapshots": auditor.snapshots,
            "answers by status": records.statuses,
        },
    )
    assert records.wrong == []
    assert records.statuses["500"] == 0
    assert auditor.examples == {}
    assert (differences, auditor.negative) == (0, 0)
    with psycopg.connect(url) as connection:
        assert Counter(records.payments) == named(connection, PAYMENTS)
        assert Counter(records.journals) == named(connection, CASH_JOURNALS)
    verified = app.test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output


def worked(counters: Counters, seed: int) -> Records:
    """What all tellers were answered; more than one of them serves each customer."""
    tellers = [Teller(counters, seed, number) for number in range(BANK_CLIENTS)]
    together = Records()
    with ThreadPoolExecutor(BANK_CLIENTS) as pool:
        for records in pool.map(lambda teller: teller.work(BANK_OPERATIONS), tellers):
            together.add(records)
    return together


def difference(url: str, records: Records) -> int:
    """Cents by which accounts and debts differ from the sum of what was acknowledged."""
    with psycopg.connect(url) as connection:
        held = dict(connection.execute(HELD).fetchall())
    names = held.keys() | records.moved.keys()
    return sum(abs(held.get(name, 0) - records.moved[name]) for name in names)


def named(connection: psycopg.Connection[Any], query: str) -> Counter[str]:
    return Counter(name for (name,) in connection.execute(query))
