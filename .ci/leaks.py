"""What a run of the service left behind: processes below a folder, its ports, files in /tmp.

leaks.py ports SERVERS.JSON             print the ports that the embedded servers use
leaks.py snapshot                       print what lies in /tmp now
leaks.py check FOLDER SNAPSHOT PORT…    fail unless all of it is gone within some seconds
leaks.py wait FOLDER                    wait until no process of FOLDER is left
"""

# ruff: noqa: T201  its output is its purpose

import json
import os
import re
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 20
LISTEN = "0A"
SHARED = Path("/tmp")  # noqa: S108  looked at, not written to
# What our programs would write there in spite of TMPDIR; other programs may come and go.
OURS = re.compile(r"\.s\.PGSQL|celery|gunicorn|postgres|pymp|valkey")


def ports_of(record: Path) -> list[int]:
    """The ports in the URLs that a launcher recorded."""
    urls = json.loads(record.read_text()).values()
    return [port for url in urls if (port := urlsplit(url).port)]


def listening_ports() -> set[int]:
    """TCP ports on which anything on this machine listens."""
    ports = set()
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}
    return ports


def files_in_tmp() -> set[str]:
    """What lies in /tmp and may be ours."""
    return {str(path) for path in SHARED.iterdir() if OURS.match(path.name)}


def processes_of(folder: Path) -> list[str]:
    """Processes whose command, working folder or environment speaks of `folder`."""
    mine = {str(os.getpid()), str(os.getppid())}
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_text(errors="replace").replace("\0", " ").strip()
            place = str((entry / "cwd").readlink())
            environment = (entry / "environ").read_text(errors="replace")
        except OSError:
            continue  # it ended meanwhile, or is another user's
        if entry.name not in mine and str(folder) in command + place + environment:
            found.append(f"process {entry.name}: {command}")
    return found


def main(verb: str, *words: str) -> int:
    """Answer the exit code: 1 when something is left."""
    if verb == "snapshot":
        print(*files_in_tmp(), sep="\n")
        return 0
    if verb == "ports":
        print(*ports_of(Path(words[0])))
        return 0
    folder = Path(words[0])
    known = set(Path(words[1]).read_text().splitlines()) if verb == "check" else files_in_tmp()
    ports = set(map(int, words[2:]))

    def leaks() -> list[str]:
        listening = [f"port {port}" for port in ports & listening_ports()]
        return processes_of(folder) + listening + sorted(files_in_tmp() - known)

    deadline = time.monotonic() + PATIENCE
    while (left := leaks()) and time.monotonic() < deadline:
        time.sleep(0.1)
    print("".join(f"left: {line}\n" for line in left), end="", file=sys.stderr)
    return bool(left)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
