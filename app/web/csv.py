"""Answers as CSV, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from flask import Response

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def download(rows: Iterable[Sequence[object]], filename: str) -> Response:
    """The rows as a CSV file to save."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([defused(cell) for cell in row] for row in rows)
    response = Response(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def defused(cell: object) -> str:
    """The cell as text that no spreadsheet runs; numbers stay numbers."""
    text = "" if cell is None else str(cell)
    is_text = isinstance(cell, str)
    return f"'{text}" if is_text and text.startswith(FORMULA_STARTS) else text
