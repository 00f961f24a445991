import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import books
from bench.books import LINES, MIGRATE, PROJECT, Book, lines_digest, provide
from bench.wrk import BenchError

BOOK = Book("little", 10, 100)
KEPT = {"customers": 10, "loans": 100, "head": "0009", "seeding": lines_digest()}


class Machine:
    """Stands for the database and for the Python that fills it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[Sequence[str]] = []
        self.failing: list[Sequence[str]] = []
        self.loans = 100
        monkeypatch.setattr(books, "_migration_head", lambda: "0009")
        monkeypatch.setattr(books, "_python", self.python)
        monkeypatch.setattr(books.psycopg, "connect", lambda _: self)

    def python(self, command: Sequence[str], _: object) -> bool:
        self.done.append(command)
        return command not in self.failing

    def execute(self, statement: str) -> "Machine":
        if statement.startswith("DROP"):
            self.done.append((statement,))
        return self

    def fetchone(self) -> tuple[int]:
        return (self.loans,)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: object) -> None: ...

    @property
    def made_anew(self) -> bool:
        drop, migrate, seed = self.done[-3:] if len(self.done) >= 3 else ((), (), ())
        return drop == ("DROP SCHEMA public CASCADE",) and migrate == MIGRATE and "seed.py" in seed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "book.json"


def provided(marker: Path, **changes: Any) -> None:
    marker.write_text(json.dumps({**KEPT, **changes}))
    provide(BOOK, marker, {"DATABASE_URL": "postgresql://"})


def test_a_book_that_is_as_wanted_is_kept(machine: Machine, marker: Path) -> None:
    provided(marker)
    assert machine.done == []


def test_a_book_of_an_older_schema_is_migrated(machine: Machine, marker: Path) -> None:
    provided(marker, head="0005")
    assert machine.done == [MIGRATE]
    assert json.loads(marker.read_text()) == KEPT


def test_a_book_that_cannot_be_migrated_is_left_as_it_is(machine: Machine, marker: Path) -> None:
    machine.failing = [MIGRATE]
    with pytest.raises(BenchError, match="cannot be migrated"):
        provided(marker, head="0005")
    assert machine.done == [MIGRATE]
    assert json.loads(marker.read_text())["head"] == "0005"


def test_a_book_of_other_lines_is_made_anew(machine: Machine, marker: Path) -> None:
    provided(marker, seeding="of another day")
    assert machine.made_anew


def test_a_book_that_has_outgrown_its_size_is_made_anew(machine: Machine, marker: Path) -> None:
    machine.loans = 121
    provided(marker)
    assert machine.made_anew


def test_without_a_marker_the_book_is_made(machine: Machine, marker: Path) -> None:
    provide(BOOK, marker, {"DATABASE_URL": "postgresql://"})
    assert machine.made_anew
    assert json.loads(marker.read_text()) == KEPT


def test_a_book_that_could_not_be_made_leaves_no_marker(
    machine: Machine, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "_python", lambda *_: False)
    with pytest.raises(BenchError, match="alembic upgrade head failed"):
        provided(marker, seeding="of another day")
    assert not marker.exists()


def test_the_digest_covers_what_writes_the_lines_and_nothing_else() -> None:
    found, left = {"book"}, ["book"]
    while left:
        tree = ast.parse((PROJECT / "seeding" / f"{left.pop()}.py").read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, _, module = node.module.partition(".")
            if package == "seeding":
                imported = {module} if module else {alias.name for alias in node.names}
                left += imported - found
                found |= imported
    assert found == set(LINES)
