"""`python -m app.local with -- COMMAND`: a command beside the service's servers."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from app.local.environment import EMBEDDED, embedded, names_its_servers, read_environment, urls
from app.local.folder import Folder
from app.local.launcher import stop_on_signals
from app.local.processes import LocalError, wait_until

RECORD_SECONDS = 60


def run_with(project: Path, command: Sequence[str]) -> int:
    """Run `command` on the servers of the running service, or on ones that last as long as it.

    Servers that the environment names are used as they are. Answers the command's exit code.
    """
    environment = read_environment(project)
    if names_its_servers(environment):
        _become(command, environment)
    folder = Folder(project / ".local")
    with folder.claimed() as ours:
        if not ours:
            _become(command, _recorded(folder) | environment)
        stop_on_signals()
        with embedded(folder, environment) as servers:
            environment |= urls(servers)
            folder.record({name: environment[name] for name in EMBEDDED})
            return _run(command, environment)


def _recorded(folder: Folder) -> dict[str, str]:
    """The running service's URLs; it may have begun only now."""
    if not wait_until(lambda: folder.recorded() is not None, RECORD_SECONDS):
        raise LocalError(f"Process {folder.claimant} holds {folder.path} but starts no servers.")
    return folder.recorded() or {}


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    os.execvpe(command[0], list(command), dict(environment))  # noqa: S606  no shell is wanted


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """In our session and on our terminal, so that a shell works; Ctrl-C is the command's own."""
    with subprocess.Popen(command, env=environment) as child:  # noqa: S603  the user's command
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        return child.wait()
