"""Importing customers from a file of lines `external_id,credit_limit[,preapproved_at]`.

The file is staged as it comes, accepted as a whole, and worked on in the background, chunk by
chunk. What has come of it is in PostgreSQL at each moment, and in PostgreSQL alone.
"""

from flask import Flask

from app import queue
from app.services.imports import chunks
from app.services.imports.chunks import Judge, Line
from app.services.imports.receiving import Staged, accept, forget, forget_abandoned, stage
from app.services.imports.sight import REFUSED, find, refused_lines, search
from app.services.imports.working import carry_on, longest_wait, unattended

__all__ = [
    "REFUSED",
    "Judge",
    "Line",
    "Staged",
    "accept",
    "carry_on",
    "find",
    "forget",
    "forget_abandoned",
    "init_app",
    "longest_wait",
    "refused_lines",
    "search",
    "stage",
    "unattended",
]


def init_app(app: Flask, judge: Judge) -> None:
    """Have lines judged by `judge` where PostgreSQL doubts them, and imports gone on with."""
    chunks.init_app(app, judge)
    queue.offer(app, queue.Imports(carry_on=carry_on, unattended=unattended))
