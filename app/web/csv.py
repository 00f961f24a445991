"""Answers as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

from app.schemas import fields


def download(rows: Iterable[Sequence[object]], filename: str) -> Response:
    """The rows as a CSV file to save."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([defused(cell) for cell in row] for row in rows)
    response = Response(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def defused(cell: object) -> str:
    """The cell as text that no spreadsheet runs; numbers stay numbers."""
    if isinstance(cell, str):
        return fields.defused(cell)
    return "" if cell is None else str(cell)
