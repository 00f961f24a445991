"""`python -m app.local run`, `with -- COMMAND…`, `backup FILE` and `restore FILE`."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from app.local.backup import back_up, named_database, restore
from app.local.command import run_with
from app.local.folder import not_ours
from app.local.launcher import run
from app.local.processes import LocalError


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the exit code; what the user can mend is one message, without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m app.local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", help="serve until stopped")
    beside = verbs.add_parser("with", help="run a command beside the servers")
    beside.add_argument("command", nargs="+", metavar="COMMAND")
    for verb, told in (("backup", "write DATABASE_URL to"), ("restore", "fill DATABASE_URL from")):
        verbs.add_parser(verb, help=f"{told} a file").add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        return _done(options, Path.cwd())
    except LocalError as error:
        reason = str(error)
    except PermissionError as error:
        reason = not_ours(Path(error.filename)) if error.filename else str(error)
    sys.stderr.write(f"\n{reason}\n")
    return 1


def _done(options: argparse.Namespace, project: Path) -> int:
    if options.verb == "run":
        return run(project)
    if options.verb == "with":
        return run_with(project, options.command)
    handle = back_up if options.verb == "backup" else restore
    handle(named_database(os.environ), options.file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
