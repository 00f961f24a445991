"""What the figures were measured on, for whoever reads them elsewhere."""

import os
import platform
import re
import runpy
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg

from bench.books import PROJECT
from bench.lender import WORKERS, Database

CPUS = Path("/proc/cpuinfo")
MODEL = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


def described(database: Database) -> Mapping[str, str]:
    """The machine, the versions, and how gunicorn is configured."""
    found = MODEL.search(CPUS.read_text()) if CPUS.exists() else None
    gunicorn = runpy.run_path(str(PROJECT / "gunicorn.conf.py"))
    kind = gunicorn["worker_class"]
    workers = f"{WORKERS} {kind if isinstance(kind, str) else 'gthread'} workers"
    with psycopg.connect(database.environment["DATABASE_URL"]) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "machine": (
            f"{os.cpu_count()} cores of {found[1].strip() if found else platform.processor()}, "
            f"{round(psutil.virtual_memory().total / 2**30)} GiB"
        ),
        "python": f"Python {platform.python_version()}",
        "postgresql": f"PostgreSQL {row[0]}" if row else "",
        "gunicorn": f"{workers} of {gunicorn['threads']} threads",
    }
