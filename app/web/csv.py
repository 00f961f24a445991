"""Answers as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from flask import Response
from marshmallow import Schema, fields

from app.schemas.fields import Exact, Figure, Money, Score
from app.schemas.fields import defused as made_safe
from app.web.shown import Part, json, parts_of

CONTENT_TYPE = "text/csv; charset=utf-8"
NUMBERS = (fields.Integer, Exact, Figure, Money, Score)

Cell = Callable[[Any], str]


def download(rows: Iterable[Sequence[object]], filename: str) -> Response:
    """The rows as a CSV file to save."""
    text = written([defused(cell) for cell in row] for row in rows)
    response = Response(text, content_type=CONTENT_TYPE)
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def written(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows of cells that are safe, as lines."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def defused(cell: object) -> str:
    """The cell as text that no spreadsheet runs; numbers stay numbers."""
    if isinstance(cell, str):
        return made_safe(cell)
    return "" if cell is None else str(cell)


def liner(schema: type[Schema], only: tuple[str, ...] | None = None) -> Callable[[Any], list[str]]:
    """From a record to a line's cells: each field as a list shows it, what is nested as JSON.

    To make that function takes longer than to call it: one is for any number of records.
    """
    taken = [(attrgetter(part.name), _celled(part)) for part in parts_of(schema, only)]
    return lambda record: [cell(get(record)) for get, cell in taken]


def _celled(part: Part) -> Cell:
    """How a field's value becomes a cell."""
    show, is_number = part.show, isinstance(part.field, NUMBERS)

    def cell(value: Any) -> str:
        shown = show(value) if show else value
        if shown is None:
            return ""
        text = shown if isinstance(shown, str) else _as_json(shown)
        return text if is_number else made_safe(text)

    return cell


def _as_json(shown: Any) -> str:
    """As JSON has it, but for the quotes around what is no text here: an id, a moment."""
    text = json(shown).decode()
    return text[1:-1] if text.startswith('"') else text
