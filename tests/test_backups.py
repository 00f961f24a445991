"""A backup is the whole book at one moment, and a restore is all of it or nothing."""

import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import psycopg
import pytest
from flask import Flask
from psycopg import sql

from app.local.__main__ import main
from app.local.backup import back_up, restore
from app.local.processes import LocalError, wait_until
from tests.factories import Caller
from tests.figures import report
from tests.servers import TestServers
from tests.serving import PATIENCE

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
# How many rows, and a sum over all that is in them.
SUMMED = "SELECT count(*), sum(hashtextextended(rows::text, 0)) FROM {} AS rows"
# By name where conditions are part of it, which a restore does not write in the same words.
BUILT = """
SELECT 'index', indexname FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'constraint', conrelid::regclass || ' ' || conname || ' ' || convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'function', pg_get_functiondef(oid)
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""
WRITERS = 4


def summed(url: str) -> dict[str, tuple[int, int | None]]:
    """Each table's number of rows and their sum."""
    with psycopg.connect(url) as connection:
        names = [name for (name,) in connection.execute(TABLES)]
        return {
            name: connection.execute(sql.SQL(SUMMED).format(sql.Identifier(name))).fetchone()
            for name in names
        }


def built(url: str) -> list[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return connection.execute(BUILT).fetchall()


@pytest.fixture
def url(environ: dict[str, str]) -> str:
    return environ["DATABASE_URL"]


@pytest.fixture
def empty(servers: TestServers, worker_number: int) -> Iterator[str]:
    name = f"restored_{worker_number}_test"
    yield servers.create_database(name)
    servers.drop_database(name)


@pytest.fixture
def lent(admin: Caller) -> list[str]:
    """Customers with debts, payments, and one of these reversed."""
    customers = [str(admin.make_debt()["customer_id"]) for _ in range(WRITERS)]
    for customer in customers:
        admin.pay(customer, "100.00")
    reversed_one = admin.pay(customers[0], "7.00")["id"]
    assert admin.post(f"/payments/{reversed_one}/reverse", {"reason": "x"}).status_code == 201
    return customers


def assert_right(app: Flask) -> None:
    verified = app.test_cli_runner().invoke(args=["verify-books"])
    assert verified.exit_code == 0, verified.output


@pytest.mark.usefixtures("lent")
def test_a_restored_book_is_the_same_and_goes_on(
    url: str, empty: str, tmp_path: Path, make_app: Callable[..., Flask], admin: Caller
) -> None:
    file = tmp_path / "to come" / "loans.dump"
    back_up(url, file)
    restore(empty, file)
    assert summed(empty) == summed(url)
    assert built(empty) == built(url)
    app = make_app(DATABASE_URL=empty)
    assert_right(app)
    restored = Caller(app, admin.headers)
    restored.pay(str(restored.make_debt()["customer_id"]), "1.00")
    assert_right(app)


def test_a_backup_taken_amid_writers_holds_one_moment(
    url: str,
    empty: str,
    tmp_path: Path,
    make_app: Callable[..., Flask],
    admin: Caller,
    lent: list[str],
) -> None:
    enough, paid = Event(), []

    def pay(customer: str) -> None:
        while not enough.is_set():
            paid.append(admin.pay(customer, "0.01")["id"])

    with ThreadPoolExecutor(WRITERS) as pool:
        payers = [pool.submit(pay, customer) for customer in lent]
        try:
            assert wait_until(lambda: len(paid) >= WRITERS, PATIENCE)
            before = len(paid)
            back_up(url, tmp_path / "loans.dump")
            during = len(paid) - before
        finally:
            enough.set()
        for payer in payers:
            payer.result()
    assert during > 0
    restore(empty, tmp_path / "loans.dump")
    assert_right(make_app(DATABASE_URL=empty))
    rows = {name: count for name, (count, _) in summed(empty).items()}
    report(
        "restored",
        rows=sum(rows.values()),
        entries=rows["entries"],
        **{"payments made during the backup": during},
    )
    assert rows["payments"] >= before


@pytest.mark.usefixtures("lent")
@pytest.mark.parametrize(
    "occupation",
    [
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int RETURN 1",
        "CREATE SCHEMA mine; CREATE SEQUENCE mine.mine",
    ],
)
def test_a_database_that_is_not_empty_is_left_as_it_is(
    url: str, empty: str, tmp_path: Path, occupation: str
) -> None:
    back_up(url, tmp_path / "loans.dump")
    with psycopg.connect(empty) as connection:
        connection.execute(occupation)
    with pytest.raises(LocalError, match="not empty"):
        restore(empty, tmp_path / "loans.dump")
    assert set(summed(empty)) <= {"mine"}


def test_a_database_that_does_not_answer_is_told_in_a_sentence(url: str, tmp_path: Path) -> None:
    back_up(url, tmp_path / "loans.dump")
    with pytest.raises(LocalError, match="The database does not answer: "):
        restore(f"{url}_that_is_not_there", tmp_path / "loans.dump")


@pytest.mark.usefixtures("lent")
def test_a_backup_that_breaks_off_leaves_the_database_empty(
    url: str, empty: str, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "loans.dump", tmp_path / "broken.dump"
    back_up(url, whole)
    broken.write_bytes(whole.read_bytes()[:-200])  # what is made comes first, its rows last
    with pytest.raises(LocalError, match="pg_restore failed"):
        restore(empty, broken)
    assert summed(empty) == {}
    restore(empty, whole)
    assert summed(empty) == summed(url)


def test_a_backup_is_whole_or_not_there_and_never_written_over(url: str, tmp_path: Path) -> None:
    file = tmp_path / "loans.dump"
    with pytest.raises(LocalError, match="pg_dump failed"):
        back_up(f"{url}_that_is_not_there", file)
    assert list(tmp_path.iterdir()) == []
    back_up(url, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_bytes()
    with pytest.raises(LocalError, match="there already"):
        back_up(url, file)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [first]


@pytest.mark.usefixtures("lent")
def test_the_commands_take_the_url_as_the_service_does(
    url: str,
    empty: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = str(tmp_path / "loans.dump")
    for verb, database in (("backup", url), ("restore", empty)):
        given = database.replace("postgresql://", "postgresql+psycopg://")
        monkeypatch.setenv("DATABASE_URL", given)
        assert main([verb, file]) == 0
    assert summed(empty) == summed(url)
    assert main(["restore", file]) == 1
    assert "not empty" in capfd.readouterr().err
