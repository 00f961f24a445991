"""A service that answers its guests once all of them have come: GUESTS, counted in GATHERED.

Those who wait for each other are at work at once, or are sent away with a 503.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

from app.local.processes import wait_until

PATIENCE = 10


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/healthz":
        start_response("200 OK", [("Content-Length", "0")])
        return []
    came, guests = Path(os.environ["GATHERED"]), int(os.environ["GUESTS"])
    (came / uuid4().hex).touch()
    are_all_here = wait_until(lambda: len(list(came.iterdir())) >= guests, PATIENCE)
    start_response("200 OK" if are_all_here else "503 Late", [("Content-Length", "0")])
    return []
