"""Taking files in: as they come, as a whole or not at all, and without holding anything."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from app import queue
from app.errors import ImportAbandoned, ImportNotFound, Invalid, StaffOnly
from app.services import imports
from app.services.imports import cutting, receiving
from app.services.imports.statements import PARTS
from tests.attacks import fingerprint
from tests.credentials import execute
from tests.factories import Caller
from tests.importing import BOM, NO_TEXT, accepted, carry_on, lines, names, outcome, sender

Connection = psycopg.Connection[Any]
SMALL = 4
CHUNKS = """
SELECT number, first_line, array_length(string_to_array(text, E'\\n'), 1)
FROM customer_import_chunks ORDER BY number
"""
AN_HOUR_AGO = "UPDATE customer_imports SET updated_at = now() - interval '61 minutes'"


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk of four lines in each transaction."""
    monkeypatch.setattr(cutting, "LINES_AT_MOST", SMALL)
    monkeypatch.setattr(receiving, "PORTION", 1)


def stage(app: Flask, caller: Caller, *pieces: bytes, filename: str = "customers.csv") -> Any:
    with app.app_context():
        return imports.stage(sender(caller), filename, pieces)


def rows(sql: Connection, table: str) -> int:
    row = sql.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def test_a_file_is_kept_chunk_by_chunk_and_seen_by_nobody_before_it_is_accepted(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    staged = stage(app, admin, lines(names("crm", 10)).encode())
    assert (staged.chunks, staged.total_lines) == (3, 10)
    assert sql.execute(CHUNKS).fetchall() == [(0, 1, 4), (1, 5, 4), (2, 9, 2)]
    assert admin.get("/customers/imports").json == []
    assert admin.get(f"/customers/imports/{staged.id}").status_code == 404
    with app.app_context():
        assert imports.unattended() == []
        with pytest.raises(ImportNotFound):
            imports.find(sender(admin), staged.id)
        imports.carry_on(staged.id)
        imports.accept(sender(admin), staged)
        assert imports.unattended() == [staged.id] * PARTS
    assert [each["id"] for each in admin.get("/customers/imports").json] == [str(staged.id)]


def test_the_digest_is_of_the_bytes_however_they_come(app: Flask, admin: Caller) -> None:
    content = lines(names("crm", 3)).encode()
    whole, apart = stage(app, admin, content), stage(app, admin, content[:7], content[7:])
    marked = stage(app, admin, BOM + content)
    assert whole.digest == apart.digest != marked.digest
    assert (whole.total_lines, whole.id != apart.id) == (3, True)


@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_of_what_is_no_text_no_row_is_left(app: Flask, admin: Caller, content: bytes) -> None:
    """Though chunks of good lines were kept before it came."""
    before = fingerprint(app)
    with pytest.raises(Invalid, match="not valid"):
        stage(app, admin, lines(names("crm", 20)).encode(), content)
    assert fingerprint(app) == before


@pytest.mark.parametrize("content", [b"", b"\n\r\n", BOM, b"external_id,credit_limit\n"])
def test_of_a_file_without_a_line_no_row_is_left(app: Flask, admin: Caller, content: bytes) -> None:
    before = fingerprint(app)
    with pytest.raises(Invalid):
        stage(app, admin, content)
    assert fingerprint(app) == before


def test_of_a_file_that_breaks_off_no_row_is_left(app: Flask, admin: Caller) -> None:
    def broken() -> Iterator[bytes]:
        yield lines(names("crm", 20)).encode()
        raise ConnectionResetError

    before = fingerprint(app)
    with app.app_context(), pytest.raises(ConnectionResetError):
        imports.stage(sender(admin), "customers.csv", broken())
    assert fingerprint(app) == before


def test_an_applicant_leaves_no_row_and_is_not_read(app: Flask, applicant: Caller) -> None:
    def unread() -> Iterator[bytes]:
        raise AssertionError
        yield b""

    before = fingerprint(app)
    with app.app_context(), pytest.raises(StaffOnly):
        imports.stage(sender(applicant), "customers.csv", unread())
    assert fingerprint(app) == before


def test_whoever_sends_slowly_holds_no_connection(
    make_app: Callable[..., Flask], admin: Caller
) -> None:
    """Others have the only one between any two pieces."""
    app = make_app(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="1")
    another = Caller(app, admin.headers, admin.user)

    def slow() -> Iterator[bytes]:
        for name in names("crm", 3 * SMALL):
            assert another.get("/customers/").status_code == 200
            yield f"{name},1.00\n".encode()

    with app.app_context():
        assert imports.stage(sender(admin), "customers.csv", slow()).chunks == 3


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("customers.csv", "customers.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\customers.csv", "customers.csv"),
        ("/", "file"),
        ("", "file"),
        ("..", ".."),
        ("a\0b\r\nc\x1b[31md\u2028e\ud800f.csv", "abc[31mdef.csv"),
        ("日本 customers.csv", "日本 customers.csv"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
    ],
)
def test_of_a_filename_only_what_can_be_shown_is_kept(
    app: Flask, admin: Caller, sent: str, kept: str
) -> None:
    assert stage(app, admin, b"a,1\n", filename=sent).filename == kept


def test_what_was_not_accepted_can_be_forgotten_and_what_was_cannot(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    staged = stage(app, admin, b"a,1\n")
    import_id = accepted(app, admin, b"a,1\n")
    with app.app_context():
        for each in (staged.id, import_id, UUID(int=1)):
            imports.forget(each)
    assert (rows(sql, "customer_imports"), rows(sql, "customer_import_chunks")) == (1, 1)
    carry_on(app, import_id)
    assert outcome(app, import_id).created == 1


def test_what_a_dead_process_left_is_forgotten_after_an_hour(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    accepted(app, admin, b"a,1\n")
    stage(app, admin, b"a,1\n")
    execute(app, AN_HOUR_AGO)
    stage(app, admin, b"b,1\n")
    forgotten = [app.test_cli_runner().invoke(args=["forget-expired"]).output for _ in range(2)]
    assert forgotten == ["1 rows deleted.\n", "0 rows deleted.\n"]
    assert (rows(sql, "customer_imports"), rows(sql, "customer_import_chunks")) == (2, 2)


def test_each_portion_tells_that_its_sender_lives(app: Flask, admin: Caller) -> None:
    def slow() -> Iterator[bytes]:
        for name in names("crm", 3 * SMALL):
            yield f"{name},1.00\n".encode()
            if name.endswith("-3"):
                execute(app, AN_HOUR_AGO)
        assert imports.forget_abandoned() == 0

    with app.app_context():
        assert imports.stage(sender(admin), "customers.csv", slow()).total_lines == 3 * SMALL


def test_of_a_file_that_was_given_up_while_it_came_nothing_is_kept(
    app: Flask, admin: Caller, sql: Connection
) -> None:
    """At any point: between its portions, and before it is accepted."""

    def slow() -> Iterator[bytes]:
        yield lines(names("crm", SMALL)).encode()
        forget_after_an_hour(app)
        yield lines(names("more", SMALL)).encode()

    before = fingerprint(app)
    with app.app_context():
        with pytest.raises(ImportAbandoned):
            imports.stage(sender(admin), "customers.csv", slow())
        staged = imports.stage(sender(admin), "customers.csv", [b"a,1\n"])
        forget_after_an_hour(app)
        with pytest.raises(ImportAbandoned):
            imports.accept(sender(admin), staged)
    assert fingerprint(app) == before


def forget_after_an_hour(app: Flask) -> None:
    execute(app, AN_HOUR_AGO)
    with app.app_context():
        assert imports.forget_abandoned() == 1


def test_whoever_is_to_work_on_it_hears_of_it_once_it_is_kept(
    app: Flask, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[UUID, int]] = []

    def hand_over(import_id: UUID) -> None:
        heard.append((import_id, execute(app, "SELECT count(*) FROM customer_import_parts")[0]))

    monkeypatch.setattr(queue, "hand_over", hand_over)
    import_id = accepted(app, admin, b"a,1\n")
    assert heard == [(import_id, PARTS)] * PARTS
