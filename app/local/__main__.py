"""`python -m app.local run`, and `python -m app.local with -- COMMAND…`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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
    options = parser.parse_args(arguments)
    project = Path.cwd()
    try:
        return run(project) if options.verb == "run" else run_with(project, options.command)
    except LocalError as error:
        reason = str(error)
    except PermissionError as error:
        reason = not_ours(Path(error.filename)) if error.filename else str(error)
    sys.stderr.write(f"\n{reason}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
