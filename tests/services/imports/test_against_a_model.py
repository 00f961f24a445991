"""Imports of nearly good files, held to a model that takes one line after another.

IMPORT_EXAMPLES makes it longer.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.schemas.imports import judged
from app.services.imports import cutting
from tests.credentials import execute
from tests.factories import Caller
from tests.importing import TAKEN, Outcome, accepted, carry_on, customers, outcome

EXAMPLES = int(os.environ.get("IMPORT_EXAMPLES", "12"))  # 2,000 were tried
UNHURRIED = settings(
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
LINES_AT_MOST = 4
VALUE_AT_MOST = 200
SUBSTITUTES = str.maketrans(dict.fromkeys("\x1c\x1d\x1e\x1f", "\x1a"))
COLUMNS = ("external_id", "credit_limit", "preapproved_at")
MISCOUNTED = "Must have two fields or three: external_id, credit_limit, preapproved_at."
UNCLOSED = "Must close its quotes, as CSV has it."
TOO_LONG = "Must have at most 1,000 characters."
EMPTY = "TRUNCATE customers, retired_external_ids, customer_imports CASCADE"
MAKE = """
INSERT INTO customers (id, external_id, status, version, created_by, created_at, updated_at)
VALUES (gen_random_uuid(), :name, 'ACTIVE', 1, gen_random_uuid(), now(), now())
"""

# Few, so that many lines name the same; each with what it looks like.
NAMES = [
    *("crm-1", "crm-2", "crm-3", "CRM-1", "a", "0", "x" * 31, "x" * 32, "y" * 60, "z" * 61),
    *("imports", "EXPORT", "Imports1", ".", "..", "...", "_a", "-a", "a.b_c-d", "a b", "a  b"),
    *(" a", "a ", "\u00a0a", "a/b", "/", "日本", "é", "e\u0301", "É", "😀" * 60, "\u0130", "ﬁ"),
    *("a\tb", "a\x1fb", "a\x1cb", "\x1ca", "\x1da", "a\x7f", "a\x85", "\u2028", "\u200b"),
    *("a\ufeff", "a\rb", "O'Brien", 'a"b', "a,b", "a;b", "a\\b", "a%b", "{}", "NULL", "\\N"),
    *("\\.", "=1+1", "0190f6a2-7c3f-7000-8000-0123456789ab"),
    *("0190F6A2-7C3F-7000-8000-0123456789AB", "{0190f6a2-7c3f-7000-8000-0123456789ab}"),
    *("0190f6a27c3f700080000123456789ab", "0190f6a27c3f700080000123456789a"),
    *("urn:uuid:0190f6a2-7c3f-7000-8000-0123456789ab", ""),
]
AMOUNTS = [
    *("0", "0.0", "0.00", "0.01", "1", "1.5", "1.50", "100.00", "999999999.99", "9999999999.99"),
    *("999999999999", "999999999999.99", "999999999999.995", "1000000000000", "1000000000000.00"),
    *("-0", "-0.01", "-1", "+1", "01", "00", "1.", ".5", "1.005", "1.000", "0.001", "1e3", "1E3"),
    *("1e400", "NaN", "Infinity", "-Infinity", "inf", "1_000", "1,000", " 1", "1 ", "0x1", "true"),
    *("\uff11", "\u0663", "", "9" * 40, "1\t", "1\x1f", '"1"', "null"),
]
MOMENTS = [
    *("", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00+02:00", "2026-01-31T09:30:00-00:00"),
    *("2026-01-31T09:30:00.1Z", "2026-01-31T09:30:00.123456Z", "2026-01-31T09:30:00.1234567Z"),
    *("2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z", "2028-02-29T00:00:00Z"),
    *("2026-02-28T23:59:59Z", "2026-01-29T00:00:00Z", "2026-01-01T24:00:00Z"),
    *("2026-01-01T23:59:60Z", "2026-01-01T23:60:00Z", "2026-13-01T00:00:00Z"),
    *("2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "1999-12-31T23:59:59Z"),
    *("0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01"),
    *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z"),
    *("2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-01-31t09:30:00z"),
    *("2026-01-31T09:30Z", "20260131T093000Z", " 2026-01-31T09:30:00Z", "now", "infinity"),
    *("2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00+0200", "\uff12026-01-31T09:30:00Z"),
]


@dataclass(frozen=True)
class Written:
    """A line of a file: what it is written as, and the fields or the reason that it comes to."""

    text: str
    fields: tuple[str, ...] = ()
    reason: str | None = None


def plain(fields: Sequence[str]) -> Written:
    """Without quotes, whatever the fields hold; what that says is no matter of CSV."""
    text = ",".join(fields)
    return Written(text, tuple(text.split(","))) if '"' not in text else quoted(fields)


def quoted(fields: Sequence[str]) -> Written:
    """A single field of nothing counts as two: only an empty line is kept as nothing."""
    told = (field.replace('"', '""') for field in fields)
    text = ",".join(f'"{field}"' for field in told)
    return Written(text, ("", "") if text == '""' else tuple(fields))


def open_ended(fields: Sequence[str]) -> Written:
    return Written(f'{",".join(fields)},"', reason=UNCLOSED)


def too_long(fields: Sequence[str]) -> Written:
    return Written(",".join(fields).ljust(1_001, "x"), reason=TOO_LONG)


GOOD = st.tuples(
    st.sampled_from(["crm-1", "crm-2", "crm-3", "CRM-1", "日本", "a b", "x" * 31, "x" * 32]),
    st.sampled_from(["0", "1.5", "100.00", "999999999999.99"]),
    st.sampled_from(["", "2026-01-31T09:30:00Z", "2028-02-29T00:00:00.5+02:00"]),
)
NEARLY_GOOD = st.tuples(*map(st.sampled_from, (NAMES, AMOUNTS, MOMENTS)))
ANY_NUMBER = st.lists(st.sampled_from([*NAMES[:5], "1.00", "", *MOMENTS[:2]]), max_size=5)
FIELDS = st.one_of(GOOD, GOOD.map(lambda three: three[:2]), NEARLY_GOOD, ANY_NUMBER)
WRITING = st.sampled_from([plain, plain, plain, quoted, quoted, open_ended, too_long])
LINE = st.builds(lambda write, fields: write(fields), WRITING, FIELDS)
EMPTY_LINE = st.just(Written(""))
FILES = st.lists(st.one_of(LINE, LINE, LINE, EMPTY_LINE), max_size=3 * LINES_AT_MOST)


class Model:
    """The customers there are, and what becomes of each line in turn: of two the first one wins."""

    def __init__(self, there: Iterable[str], deleted: Iterable[str]) -> None:
        self.customers: dict[str, tuple[Decimal | None, datetime | None]] = {}
        self.customers |= dict.fromkeys(there, (None, None))
        self.taken = {*there, *deleted}
        self.refused: list[tuple[int, str, str]] = []
        self.created = self.lines = 0

    def take(self, number: int, line: Written) -> None:
        if not line.text:
            return
        self.lines += 1
        verdict = line.reason or self._verdict(line.fields)
        if not isinstance(verdict, str):
            external_id, credit_limit, preapproved_at = verdict
            if external_id not in self.taken:
                self.taken.add(external_id)
                self.customers[external_id] = (credit_limit, preapproved_at)
                self.created += 1
                return
            verdict = TAKEN
        value = line.text if line.reason else ",".join(line.fields)
        self.refused.append((number, value.translate(SUBSTITUTES)[:VALUE_AT_MOST], verdict))

    def outcome(self) -> Outcome:
        figures = (self.lines, self.lines, self.created, len(self.refused))
        return Outcome("COMPLETED", *figures, self.refused)

    @staticmethod
    def _verdict(fields: Sequence[str]) -> Any:
        if len(fields) not in (2, 3):
            return MISCOUNTED
        as_kept = (field.translate(SUBSTITUTES) for field in fields)
        return judged(dict(zip(COLUMNS, as_kept, strict=False)))


def one(app: Flask, import_id: Any, _: Any) -> None:
    carry_on(app, import_id)


def two(app: Flask, import_id: Any, in_parallel: Callable[..., Any]) -> None:
    in_parallel(*[lambda: carry_on(app, import_id)] * 2)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "LINES_AT_MOST", LINES_AT_MOST)


def begin(app: Flask, there: Iterable[str], deleted: Iterable[str]) -> Model:
    """Customers that are there, and some that were, whose external ids nobody has again."""
    execute(app, EMPTY)
    for name in (*there, *deleted):
        execute(app, MAKE, name=name)
    for name in deleted:
        execute(app, "DELETE FROM customers WHERE external_id = :name", name=name)
    return Model(there, deleted)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("work", [one, two], ids=lambda work: work.__name__)
def test_an_import_is_what_a_model_makes_of_it(
    app: Flask, admin: Caller, in_parallel: Callable[..., Any], work: Any
) -> None:
    @UNHURRIED
    @given(
        FILES.filter(lambda lines: any(line.text for line in lines)),
        st.sets(st.sampled_from(["crm-1", "日本", "x" * 32])),
        st.sets(st.sampled_from(["crm-2", "a b"])),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
    )
    def imported(
        lines: list[Written], there: set[str], deleted: set[str], ending: str, has_header: bool
    ) -> None:
        model = begin(app, there, deleted)
        before = customers(app)
        for number, line in enumerate(lines, 1 + has_header):
            model.take(number, line)
        rows = [",".join(COLUMNS)] * has_header + [line.text for line in lines]
        content = "".join(row + ending for row in rows)
        tried, made = (accepted(app, admin, content, is_dry_run=dry) for dry in (True, False))
        work(app, tried, in_parallel)
        assert (outcome(app, tried), customers(app)) == (model.outcome(), before)
        work(app, made, in_parallel)
        assert outcome(app, made) == model.outcome()
        assert {name: (limit, at) for name, limit, at in customers(app)} == model.customers

    imported()
