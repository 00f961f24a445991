"""What a spreadsheet opens must not be run by it, and must read as it was written."""

import csv
import io
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis.strategies import lists, text
from marshmallow import Schema, fields

from app.schemas.customers import CustomerOut
from app.schemas.fields import Anything, Exact, Figure, Money
from app.schemas.loans import LoanOut
from app.schemas.payments import PaymentOut
from app.web.csv import defused, download, liner, written
from app.web.shown import json, shower
from tests.exported import RUN, in_cells
from tests.web.test_shown import UNHURRIED, records


class Word(StrEnum):
    FORMULA = "=1+1"


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\r=1",
            '=HYPERLINK("//x")',
            "-",
            "=",
            "=cmd|' /C'!A",
            *("\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20SUM(A1)"),
        ),
        Word.FORMULA,
    ],
)
def test_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(cell: str) -> None:
    assert defused(cell) == f"'{cell}"


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\t-1", "a\t'-1"),
        ("\t=1", "'\t'=1"),
        ("a;\uff1d1", "a;'\uff1d1"),
        ('a;"=1', "a;'\"=1"),
        ("=1;+2;b;-3", "'=1;'+2;b;'-3"),
        (";\t=1", ";'\t'=1"),
    ],
)
def test_so_does_what_another_spreadsheet_would_take_for_a_cell(cell: str, shown: str) -> None:
    assert defused(cell) == shown
    assert defused(shown) == shown


@UNHURRIED
@given(lists(lists(text("=+-@\uff1d;,\t\"'a "), min_size=1), min_size=1))
def test_nothing_is_run_however_cells_are_parted(rows: list[list[str]]) -> None:
    file = written([defused(cell) for cell in row] for row in rows).decode()
    for delimiter in ",;\t":
        for row in csv.reader(io.StringIO(file, newline=""), delimiter=delimiter):
            # A quote that the other takes for one begins a cell with the end of the line.
            assert not [cell for cell in row if cell.lstrip("\r\n").startswith(RUN)]


@pytest.mark.parametrize(
    "cell",
    [
        *("", "a", "1-1", "a=b", " =1", "'=1", "2026-01-31", "a@b.example"),
        *("a;b", "a; =1", "a;'=1", "a,=1", 'a"=1', "a;"),
    ],
)
def test_other_text_is_left_as_it_is(cell: str) -> None:
    assert defused(cell) == cell


@pytest.mark.parametrize(
    ("cell", "shown"),
    [(Decimal("-487000.00"), "-487000.00"), (-5, "-5"), (Decimal("0.0001"), "0.0001"), (None, "")],
)
def test_numbers_stay_numbers(cell: object, shown: str) -> None:
    assert defused(cell) == shown


def test_a_file_reads_back_as_the_rows_it_was_made_of() -> None:
    rows = [["a", 'b "quoted", c'], ["d\ne", "日本"], ["", "x,y"]]
    text = download(rows, "rows.csv").get_data(as_text=True)
    assert list(csv.reader(io.StringIO(text, newline=""))) == rows


def test_every_cell_of_a_file_is_defused() -> None:
    assert download([["=1", 2], [3, "@x"]], "rows.csv").get_data() == b"'=1,2\r\n3,'@x\r\n"


def test_a_file_says_what_it_is_and_how_to_save_it() -> None:
    headers = download([], "rows.csv").headers
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == 'attachment; filename="rows.csv"'


@pytest.mark.parametrize("schema", [CustomerOut, LoanOut, PaymentOut])
def test_a_line_has_what_a_list_shows_of_a_record(schema: type[Schema]) -> None:
    line = liner(schema)

    @UNHURRIED
    @given(records(schema).filter(lambda record: not isinstance(record, dict)))
    def read(record: Any) -> None:
        text = written([line(record)]).decode()
        (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
        shown = orjson.loads(json(shower(schema)(record)))
        assert dict(zip(shown, cells, strict=True)) == in_cells(shown)

    read()


def test_a_line_has_the_fields_that_were_chosen() -> None:
    class Row:
        id, status, external_id = 7, "ACTIVE", None

    assert liner(CustomerOut, ("external_id", "status"))(Row) == ["", "ACTIVE"]


def test_whatever_a_field_holds_is_safe_and_numbers_stay_numbers() -> None:
    class Out(Schema):
        text = fields.String()
        anything = Anything()
        several = fields.List(fields.String())
        whole = fields.Integer()
        money = Money()
        exact = Exact()
        figure = Figure()

    class Row:
        text, anything, several, whole = "@x", "=1+1", ["=1", "a;=1"], -5
        money, exact, figure = Decimal("-1.5"), Decimal("-0.001"), Decimal("-2")

    cells = ["'@x", "'=1+1", '["=1","a;\'=1"]', "-5", "-1.50", "-0.001", "-2"]
    assert liner(Out)(Row) == cells
