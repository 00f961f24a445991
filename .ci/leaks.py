"""What a run of the service left behind: processes below a folder, ports, files in /tmp.

leaks.py snapshot                 print what listens and what lies in /tmp now
leaks.py check FOLDER SNAPSHOT    fail unless all that came since is gone within some seconds
leaks.py wait FOLDER              wait until no process of FOLDER is left
"""

# ruff: noqa: T201  its output is its purpose

import json
import os
import sys
import time
from pathlib import Path

PATIENCE = 20
LISTEN = "0A"
SHARED = "/tmp"  # noqa: S108  looked at, not written to


def listening_ports() -> set[int]:
    """TCP ports on which anything on this machine listens."""
    ports = set()
    for table in ("tcp", "tcp6"):
        rows = [line.split() for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
        ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}
    return ports


def snapshot() -> dict[str, list[object]]:
    """What may not grow, apart from processes."""
    return {"ports": sorted(listening_ports()), SHARED: sorted(map(str, Path(SHARED).iterdir()))}


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


def leaks(folder: Path, before: dict[str, list[object]]) -> list[str]:
    """One line for each thing that is there and was not."""
    now = snapshot()
    new = [f"{kind}: {item}" for kind in before for item in now[kind] if item not in before[kind]]
    return processes_of(folder) + new


def main(verb: str, *words: str) -> int:
    """Answer the exit code: 1 when something is left."""
    if verb == "snapshot":
        print(json.dumps(snapshot()))
        return 0
    folder = Path(words[0])
    before = json.loads(Path(words[1]).read_text()) if verb == "check" else {}
    deadline = time.monotonic() + PATIENCE
    while (left := leaks(folder, before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    print("".join(f"left: {line}\n" for line in left), end="", file=sys.stderr)
    return bool(left)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
