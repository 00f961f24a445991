"""A worker killed, and another, and another, while eight clients pay and deposit.

KILLS says how many; the promise was tried for 200.
"""

import os
import signal

import psutil
import psycopg
from flask import Flask

from app.local.processes import wait_until
from tests.factories import Caller
from tests.figures import report
from tests.network.load import BROKEN, Load
from tests.serving import PATIENCE, Service, served

KILLS = int(os.environ.get("KILLS", "5"))
WORKERS = 2
CUSTOMERS = 4
ANSWERS_BETWEEN = 20
IN_USE = 409  # while the dead worker's session with PostgreSQL still holds the key
# What of a journal is a client's: payments by their own id, deposits by the journal's.
STORED = """
SELECT id::text FROM payments UNION ALL SELECT id::text FROM journal WHERE kind = 'deposit'
"""
MOVED = """
SELECT (SELECT sum(amount - outstanding) FROM loans),
       (SELECT sum(balance) FROM accounts) - (SELECT sum(amount) FROM loans)
"""


def test_nothing_acknowledged_is_lost_or_done_twice_when_workers_are_killed_under_load(
    app: Flask, admin: Caller, environ: dict[str, str]
) -> None:
    customers = [_borrower(admin) for _ in range(CUSTOMERS)]
    mine = {"GUNICORN_CMD_ARGS": "--preload", "GUNICORN_LOGLEVEL": "critical"}
    with served({**environ, **mine}, workers=WORKERS) as service:
        load = Load(service, admin, customers)
        with load.running():
            for _ in range(KILLS):
                load.await_answers(ANSWERS_BETWEEN)
                _kill_the_oldest(service)
            load.await_answers(ANSWERS_BETWEEN)
    acknowledged = {*load.payments, *load.deposits}
    with psycopg.connect(environ["DATABASE_URL"]) as connection:
        stored = {row[0] for row in connection.execute(STORED)}
        moved = connection.execute(MOVED).fetchone()
    figures = {
        "cut off": load.told.count(BROKEN),
        "acknowledged": load.acknowledged,
        "lost": len(acknowledged - stored),
        "done twice": len(stored - acknowledged),
    }
    report("killed under load", kills=KILLS, **figures)
    assert {201, BROKEN} <= set(load.told) <= {201, BROKEN, IN_USE}
    assert (figures["lost"], figures["done twice"]) == (0, 0)
    assert moved == (len(load.payments), len(load.deposits))
    books = app.test_cli_runner().invoke(args=["verify-books"])
    assert books.exit_code == 0, books.output


def _kill_the_oldest(service: Service) -> None:
    """Kill the worker that most clients have come to, and wait for its successor."""
    oldest = min(service.workers(), key=lambda pid: psutil.Process(pid).create_time())
    os.kill(oldest, signal.SIGKILL)

    def is_replaced() -> bool:
        workers = service.workers()
        return oldest not in workers and len(workers) == WORKERS

    assert wait_until(is_replaced, PATIENCE)


def _borrower(admin: Caller) -> str:
    loan = admin.make_loan()
    assert admin.post(f"/loans/{loan['id']}/activate").status_code == 200
    return str(loan["customer_id"])
