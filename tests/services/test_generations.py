"""What raises a generation, who sees it when, and that writers do not wait for each other here."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, get_args

import psycopg
import pytest
from flask import Flask
from sqlalchemy import select, text

from app.config import Settings
from app.db import db, transaction
from app.models import Generation
from app.services import generations
from app.services.generations import Topic
from tests.factories import Caller

TOPICS: tuple[Topic, ...] = get_args(Topic)
BOTH = set(TOPICS)
# What a statement raises it raises whether or not there is a row for it.
RAISED_BY = {
    "INSERT INTO loans SELECT * FROM loans WHERE false": {"loans"},
    "UPDATE loans SET purpose = purpose": {"loans"},
    "DELETE FROM loans WHERE false": {"loans"},
    "TRUNCATE loans CASCADE": {"loans"},
    "INSERT INTO fraud_flags SELECT * FROM fraud_flags WHERE false": {"loans"},
    "TRUNCATE fraud_flags CASCADE": {"loans"},
    "INSERT INTO flag_clearances SELECT * FROM flag_clearances WHERE false": {"loans"},
    "TRUNCATE flag_clearances": {"loans"},
    "INSERT INTO customers SELECT * FROM customers WHERE false": {"customers"},
    "UPDATE customers SET email = email": {"customers"},
    "UPDATE customers SET external_id = external_id": {"loans"},
    "UPDATE customers SET email = email, external_id = external_id": BOTH,
    "DELETE FROM customers WHERE false": {"customers"},
    "TRUNCATE customers CASCADE": BOTH,
    "UPDATE customers SET first_name = 'Grace', credit_limit = 1, status = 'INACTIVE'": set(),
    "INSERT INTO audit_events SELECT * FROM audit_events WHERE false": set(),
}
TRIGGER_BITS = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}
COPY_LOAN = """
INSERT INTO loans
SELECT (jsonb_populate_record(loans, jsonb_build_object('id', gen_random_uuid()))).*
FROM loans WHERE id = %s
"""
TOKENS_SEEN_INSIDE = "SELECT string_agg(token::text, ',') FROM generations WHERE topic = 'loans'"
TOKENS_OF_LOANS = select(Generation.token).where(Generation.topic == "loans")

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(autouse=True)
def _inside(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


@pytest.fixture
def writers(settings: Settings) -> Iterator[list[psycopg.Connection[Any]]]:
    """Two connections with a transaction each, which wait for nobody."""
    opened = [psycopg.connect(settings.database_url) for _ in range(2)]
    for connection in opened:
        connection.execute("SET lock_timeout = '1s'")
        connection.commit()
    yield opened
    for connection in opened:
        connection.close()


def now() -> dict[str, str | None]:
    return {topic: generations.current(topic) for topic in TOPICS}


def raised(before: dict[str, str | None]) -> set[str]:
    return {topic for topic, generation in now().items() if generation != before[topic]}


@pytest.mark.usefixtures("loan")
@pytest.mark.parametrize("statement", RAISED_BY)
def test_what_changes_a_topic_raises_its_generation(statement: str) -> None:
    before = now()
    with transaction():
        db.session.execute(text(statement))
    assert raised(before) == RAISED_BY[statement]


def test_every_trigger_is_tried() -> None:
    triggers = db.session.execute(
        text(
            "SELECT tgrelid::regclass::text, tgtype, encode(tgargs, 'escape') FROM pg_trigger "
            "WHERE tgfoid = 'raise_generation'::regproc"
        )
    )
    tried = {
        (words[0], table, topic)
        for words, topics in ((statement.split(), RAISED_BY[statement]) for statement in RAISED_BY)
        for table in words[1:3]
        for topic in topics
    }
    for table, kinds, argument in triggers:
        told = {word for bit, word in TRIGGER_BITS.items() if kinds & bit}
        assert {(word, table, argument.removesuffix("\\000")) for word in told} <= tried


def test_a_generation_never_comes_back(admin: Caller) -> None:
    seen = [generations.current("loans")]
    for _ in range(5):
        admin.make_loan()
        seen.append(generations.current("loans"))
    assert len(set(seen)) == len(seen)


def test_one_after_the_other_writes_need_one_slot(admin: Caller) -> None:
    for _ in range(5):
        admin.make_loan()
    topics = db.session.scalars(select(Generation.topic)).all()
    assert sorted(topics) == sorted(TOPICS)


def test_writers_do_not_wait_for_each_others_generation(
    admin: Caller, writers: list[psycopg.Connection[Any]]
) -> None:
    loans = [admin.make_loan() for _ in writers]
    seen = [generations.current("loans")]
    for writer, loan in zip(writers, loans, strict=True):
        writer.execute(COPY_LOAN, [loan["id"]])
        assert generations.current("loans") == seen[0]
    for writer in writers:
        writer.commit()
        seen.append(generations.current("loans"))
    assert len(set(seen)) == 3


def test_a_generation_that_was_rolled_back_is_never_seen_again(
    admin: Caller, loan: dict[str, Any], writers: list[psycopg.Connection[Any]]
) -> None:
    committed = generations.current("loans")
    lost = []
    for writer in chain(writers, writers):
        writer.execute(COPY_LOAN, [loan["id"]])
        lost.append(writer.execute(TOKENS_SEEN_INSIDE).fetchone()[0])
        assert generations.current("loans") == committed
        writer.rollback()
    assert generations.current("loans") == committed
    admin.make_loan()
    assert len({*lost, committed, generations.current("loans")}) == len(lost) + 2


def test_a_transaction_knows_no_generation_that_it_has_raised_itself(admin: Caller) -> None:
    """Or what it reads would be kept under the one that what it writes later is committed with."""
    before = now()
    with transaction():
        db.session.execute(text("UPDATE loans SET purpose = purpose"))
        assert now() == {**before, "loans": None}
    assert raised(before) == {"loans"}


def test_what_is_written_again_raises_a_generation_once_a_transaction(loan: dict[str, Any]) -> None:
    with transaction():
        tokens = []
        for _ in range(2):
            db.session.execute(text("UPDATE loans SET purpose = purpose"))
            tokens.append(db.session.scalars(TOKENS_OF_LOANS).all())
    assert tokens[0] == tokens[1]


def test_what_is_rolled_back_to_a_savepoint_has_raised_nothing(loan: dict[str, Any]) -> None:
    before = now()
    with transaction():
        with suppress(ZeroDivisionError), db.session.begin_nested():
            db.session.execute(text("UPDATE loans SET purpose = 'gone'"))
            raise ZeroDivisionError
        assert now() == before
        db.session.execute(text("UPDATE loans SET purpose = 'kept'"))
    assert raised(before) == {"loans"}


def test_no_slot_is_no_generation() -> None:
    with transaction():
        db.session.execute(text("DELETE FROM generations"))
    assert now() == {"loans": None, "customers": None}
