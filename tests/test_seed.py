from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

import seed
from app.db import db
from app.models import LoanStatus
from app.models.loan import TRANSITIONS
from app.rules import risk
from app.services import books
from seeding import book as lines
from seeding import ledger
from seeding.book import Book, write_customers, write_loans
from seeding.ids import milliseconds, moment, uuid7_hex
from seeding.score import hundredths
from tests.factories import Caller, Lender
from tests.servers import TestServers

DAY = "2026-06-30"
UNTIL = datetime(2026, 6, 30, tzinfo=UTC)
STAFF = [UUID(int=number).hex for number in range(1, 4)]
SHAPE = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2
"""

LEDGER = """
SELECT e.book, e.amount, e.balance_after, j.id, j.kind, j.at
FROM entries e JOIN journal j ON j.id = e.journal_id ORDER BY e.id
"""

Select = Callable[..., Sequence[Any]]


@pytest.fixture
def run(lender: Lender, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """`seed.py` with these arguments, on the database of the tests."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: seed.main(arguments)


@pytest.fixture
def rows(app: Flask) -> Select:
    """What a query finds."""

    def select(query: str) -> Sequence[Any]:
        with app.app_context(), db.engine.connect() as connection:
            return connection.execute(text(query)).all()

    return select


@pytest.fixture(params=["demo", "book"])
def seeded(request: pytest.FixtureRequest, run: Any) -> str:
    """Each of the two, in turn; the book is large enough for every status."""
    of_a_size = ("--customers", "60", "--loans", "900") if request.param == "book" else ()
    assert run("--until", DAY, *of_a_size) == 0
    return str(request.param)


def test_the_demo_shows_every_status_and_some_risk(run: Any, rows: Select) -> None:
    run("--until", DAY)
    loans = rows("SELECT status, risk_score, outstanding, amount FROM loans")
    active = [loan for loan in loans if loan.status == "ACTIVE"]
    assert len(loans) == 16
    assert {loan.status for loan in loans} == set(LoanStatus)
    assert sum(not risk.acceptable(loan.risk_score) for loan in loans) >= 2
    assert any(loan.outstanding == loan.amount for loan in active)
    assert any(loan.outstanding < loan.amount for loan in active)
    assert Counter(row.status for row in rows("SELECT status FROM customers")) == {
        "ACTIVE": 14,
        "INACTIVE": 1,
    }


def test_the_demo_can_be_logged_into_and_reported_on(run: Any, anyone: Caller) -> None:
    run("--until", DAY)
    given = {"email": "admin@loanapp.com", "password": "admin123"}
    token = anyone.post("/auth/login", given).get_json()["access_token"]
    admin = Caller(anyone.app, {"Authorization": f"Bearer {token}"})
    report = admin.get("/reports/portfolio").get_json()
    assert report["total"] == 16
    assert len(report["by_month"]) >= 6
    flagged = admin.get("/loans/?status=FLAGGED").get_json()
    flags = [flag for loan in flagged for flag in loan["fraud_flags"]]
    assert [flag["rule"] for flag in flags] == ["income-jump", "manual", "manual"]
    assert flags[0]["evidence"]["declared_before"] == "45000.00"
    assert flags[0]["reason"].startswith("The declared income of 126000.00 is more than 2 times")


def test_the_demo_is_on_the_audit_trail(run: Any, rows: Select) -> None:
    run("--until", DAY)
    deeds = Counter(row.action for row in rows("SELECT action FROM audit_events"))
    assert deeds["user.registered"] == 3
    assert (deeds["customer.created"], deeds["loan.applied"]) == (15, 16)
    assert sum(deeds[name] for name in deeds if name.startswith("loan.")) == len(
        rows("SELECT FROM loan_events WHERE to_status <> 'PAID'")
    )
    for status in ("COMPLETED", "REJECTED", "REVERSED"):
        made = rows(f"SELECT FROM payments WHERE status = '{status}'")
        assert deeds[f"payment.{status.lower()}"] == len(made) > 0
    assert deeds["account.deposited"] == deeds["account.withdrawn"] - 5 == 2
    assert deeds["account.reversed"] == 1


def test_the_same_seed_gives_the_same_demo(run: Any, rows: Select, app: Flask) -> None:
    found = []
    for number in ("7", "7", "8"):
        run("--until", DAY, "--seed", number)
        loans = rows("SELECT l.*, e.* FROM loans l JOIN loan_events e ON e.loan_id = l.id")
        found.append((sorted(loans), rows(LEDGER)))
        with app.app_context(), db.engine.connect() as connection:
            connection.execute(text("TRUNCATE users, audit_events, customers CASCADE"))
    assert found[0] == found[1] != found[2]


def test_every_score_is_the_rules(seeded: str, rows: Select) -> None:
    for loan in rows("SELECT amount, term_months, income, expenses, risk_score FROM loans"):
        *figures, score = loan
        names = ("amount", "term_months", "income", "expenses")
        assert risk.assess(**dict(zip(names, figures, strict=True))).score == score


def test_every_history_is_one_the_states_allow(seeded: str, rows: Select) -> None:
    events = rows(
        "SELECT loan_id, status, risk_score, taken_at, created_at, at, from_status, to_status "
        "FROM loans LEFT JOIN loan_events e ON e.loan_id = loans.id ORDER BY loan_id, at, e.id"
    )
    for _, group in groupby(events, key=lambda event: event.loan_id):
        first, *later = history = list(group)
        assert (first.from_status, first.to_status, first.at) == (None, "PENDING", first.created_at)
        assert history[-1].to_status == first.status
        assert first.taken_at in (None, *(e.at for e in later if e.to_status == "ACTIVE"))
        for before, after in pairwise(history):
            assert after.from_status == before.to_status
            assert after.to_status in TRANSITIONS[LoanStatus(before.to_status)]
            assert before.at < after.at < UNTIL
        if "APPROVED" in {event.to_status for event in later}:
            assert risk.acceptable(first.risk_score)


def test_the_books_of_what_is_seeded_are_right(seeded: str, app: Flask, rows: Select) -> None:
    assert len(rows("SELECT FROM payments WHERE status = 'COMPLETED'")) > 10
    with app.app_context():
        assert list(books.differences()) == []


def test_entries_are_numbered_in_the_order_of_events(seeded: str, rows: Select) -> None:
    for target in ("loan_id", "customer_id"):
        found = rows(
            f"SELECT e.{target}, j.at FROM entries e JOIN journal j ON j.id = e.journal_id "  # noqa: S608
            f"WHERE e.{target} IS NOT NULL ORDER BY e.{target}, e.id"
        )
        assert found == sorted(found)


def test_nothing_is_paid_before_it_was_lent_or_in_the_future(seeded: str, rows: Select) -> None:
    assert not rows(
        "SELECT FROM entries e JOIN journal j ON j.id = e.journal_id "
        "JOIN loans l ON l.id = e.loan_id "
        "WHERE j.at < l.taken_at OR j.kind = 'disbursement' AND j.at <> l.taken_at"
    )
    for latest in ("max(at) FROM journal", "max(updated_at) FROM loans"):
        assert rows(f"SELECT {latest}")[0] < (UNTIL,)


def test_a_loan_is_paid_when_its_last_payment_comes(seeded: str, rows: Select) -> None:
    found = rows(
        "SELECT v.at, (SELECT max(j.at) FROM entries e JOIN journal j ON j.id = e.journal_id "
        "WHERE e.loan_id = v.loan_id) AS paid_at FROM loan_events v WHERE to_status = 'PAID'"
    )
    assert found
    assert all(at == paid_at for at, paid_at in found)


def test_what_comes_after_is_numbered_on(seeded: str, rows: Select, app: Flask) -> None:
    (last,) = rows("SELECT max(id) FROM entries")[0]
    assert rows("SELECT nextval(pg_get_serial_sequence('entries', 'id'))")[0] > (last,)


def test_only_flagged_loans_have_open_flags(seeded: str, rows: Select) -> None:
    found = rows(
        "SELECT status = 'FLAGGED' AS is_flagged, EXISTS (SELECT FROM fraud_flags f WHERE "
        "f.loan_id = loans.id AND f.id NOT IN (SELECT flag_id FROM flag_clearances)) AS has_flag "
        "FROM loans"
    )
    assert all(loan.is_flagged == loan.has_flag for loan in found)
    assert any(loan.has_flag for loan in found)


def test_no_debt_exceeds_the_line_of_credit(seeded: str, rows: Select) -> None:
    found = rows(
        "SELECT credit_limit, sum(CASE WHEN l.status IN ('PENDING', 'FLAGGED', 'APPROVED') "
        "THEN amount ELSE outstanding END) AS debt FROM customers c JOIN loans l "
        "ON l.customer_id = c.id WHERE credit_limit IS NOT NULL GROUP BY c.id"
    )
    assert found
    assert all(customer.debt <= customer.credit_limit for customer in found)


def test_nobody_applies_before_being_a_customer(seeded: str, rows: Select) -> None:
    assert not rows(
        "SELECT FROM loans l JOIN customers c ON c.id = l.customer_id "
        "WHERE l.created_at < c.created_at"
    )


def test_few_customers_share_a_domain(seeded: str, rows: Select) -> None:
    domains = Counter(row.email.split("@")[1] for row in rows("SELECT email FROM customers"))
    assert max(domains.values()) <= 10


def test_a_book_leaves_keys_and_indexes_as_they_were(run: Any, rows: Select) -> None:
    before = rows(SHAPE)
    run("--customers", "20", "--loans", "100")
    assert rows(SHAPE) == before
    assert rows("SELECT count(*) FROM users")[0] == (3,)


def test_a_book_written_by_several_processes_is_complete(
    run: Any, rows: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CHUNK", 50)
    run("--customers", "120", "--loans", "230")
    assert rows("SELECT count(*) FROM loans")[0] == (230,)
    assert rows("SELECT count(*) FROM customers")[0] == (120,)
    assert rows("SELECT count(external_id), min(external_id) FROM loans")[0] == (58, "L-0000001")


def test_the_same_seed_gives_the_same_book() -> None:
    def written(number: int) -> object:
        book = Book(200, 2_000, number, UNTIL)
        loans = write_loans(book, STAFF, range(2_000))
        return loans, write_customers(book, STAFF, loans.debts, range(200))

    assert written(1) == written(1)
    assert written(1) != written(2)


def test_many_in_a_book_owe_on_three_loans(run: Any, rows: Select) -> None:
    run("--customers", "100", "--loans", "1000", "--until", DAY)
    debts = rows("SELECT count(*) FROM loans WHERE status = 'ACTIVE' GROUP BY customer_id")
    assert sum(number == 3 for (number,) in debts) >= 5
    assert rows("SELECT count(external_id) < count(*), count(external_id) > 0 FROM payments") == [
        (True, True)
    ]


def test_a_book_that_does_not_balance_is_not_kept(
    run: Any, rows: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "_withdraw", lambda lines, *_: lines.holdings.pop())
    with pytest.raises(RuntimeError, match="do not balance"):
        run("--loans", "10", "--until", DAY)
    assert not rows("SELECT FROM loans")


def test_a_book_has_realistic_shares() -> None:
    written = write_loans(Book(2_000, 20_000, 1, UNTIL), STAFF, range(20_000))
    shares = Counter(line.split("\t")[9] for line in written.loans)
    assert set(shares) == set(LoanStatus)
    assert shares["ACTIVE"] + shares["PAID"] > 10_000
    assert 100 < shares["FLAGGED"] < 600 < shares["PENDING"] < 1_400
    risky = [line for line in written.loans if int(line.split("\t")[8].removesuffix("e-2")) >= 75]
    assert 200 < len(risky) < 2_000


def test_the_fast_score_is_the_rules() -> None:
    random = Random(5)
    for _ in range(3_000):
        figures = (
            random.choice((1, 5_000, random.randrange(1, 9_000_000))),
            random.randrange(1, 90),
            random.choice((0, random.randrange(10_000_000))),
            random.choice((0, 50, random.randrange(9_000_000))),
        )
        amount, term, income, expenses = figures
        exact = risk.assess(
            amount=Decimal(amount) / 100,
            term_months=term,
            income=Decimal(income) / 100,
            expenses=Decimal(expenses) / 100,
        )
        assert Decimal(hundredths(*figures)) / 100 == exact.score


@pytest.mark.parametrize(("amount", "score"), [(50_000, 0), (150_000, 2), (250_000, 2)])
def test_the_fast_score_rounds_half_to_even(amount: int, score: int) -> None:
    assert hundredths(amount, 0, 0, 0) == score


def test_ids_are_uuids_of_version_7_in_the_order_of_time() -> None:
    random, at = Random(1), milliseconds(UNTIL)
    ids = [UUID(uuid7_hex(at + step, random)) for step in range(100)]
    assert ids == sorted(ids)
    assert {(made.version, made.variant) for made in ids} == {(7, "specified in RFC 4122")}
    assert moment(ids[3].int >> 80) == UNTIL + timedelta(milliseconds=3)


def test_a_database_with_data_is_left_alone(run: Any, admin: Caller, rows: Select) -> None:
    for arguments in ((), ("--loans", "10")):
        with pytest.raises(SystemExit, match="not empty"):
            run(*arguments)
    assert run("--if-empty") == 0
    assert not rows("SELECT FROM customers")


def test_production_is_never_seeded_unforced(
    run: Any, rows: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    monkeypatch.setenv("ARGON2_MEMORY_KIB", "19456")
    monkeypatch.setenv("ARGON2_TIME_COST", "2")
    for arguments in ((), ("--if-empty",), ("--loans", "10")):
        with pytest.raises(SystemExit, match="--force"):
            run(*arguments)
    assert not rows("SELECT FROM users")
    assert run("--force") == 0


def test_a_database_without_tables_is_named_as_such(
    run: Any, servers: TestServers, worker_number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"bare_{worker_number}_test"
    monkeypatch.setenv("DATABASE_URL", servers.create_database(name))
    try:
        with pytest.raises(SystemExit, match="alembic upgrade head"):
            run()
    finally:
        servers.drop_database(name)


@pytest.mark.parametrize("wrong", [("--loans", "0"), ("--until", "yesterday")])
def test_nonsense_is_refused(run: Any, wrong: Sequence[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(*wrong)
