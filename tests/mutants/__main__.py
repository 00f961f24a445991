"""`make mutants`: take each guard away in turn, and see the tests go red.

Each mutant runs in a copy of the tree, on servers of its own; one that survives is a guard nobody
tests. Words after the command choose the guards that contain them.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from tests.figures import report
from tests.mutants import Mutant
from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).parents[2]
TESTS_FAILED = 1  # pytest's exit code for: they ran, and some failed or could not begin
FAILED = re.compile(r"\b[1-9]\d* failed\b.* in [\d.]+s")

Outcome = Literal["caught", "broke", "survived"]


@contextmanager
def copied_tree() -> Iterator[Path]:
    """The tree as it stands, in a folder of its own below `.local/`, with the same `.venv`."""
    local = ROOT / ".local"
    local.mkdir(mode=0o755, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mutant-", dir=local))
    folder.chmod(0o755)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    try:
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        yield folder
    finally:
        shutil.rmtree(folder)


def outcome(mutant: Mutant) -> Outcome:
    """What the tests that guard it say: whether one fails, none can even begin, or all pass."""
    with copied_tree() as tree:
        mutant.apply(tree)
        command = [sys.executable, "-m", "pytest", "-x", *shlex.split(mutant.tests)]
        done = subprocess.run(
            command, cwd=tree, check=False, capture_output=True, text=True, env=_environment()
        )
    if done.returncode != TESTS_FAILED:
        return "survived"
    return "caught" if FAILED.search(done.stdout) else "broke"


def _environment() -> dict[str, str]:
    ours = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "DATABASE_URL", "REDIS_URL", "PROVE_REPORT")
    return {name: value for name, value in os.environ.items() if name not in ours}


def main() -> int:
    """Try every mutant whose guard contains the words given; the exit code counts survivors.

    One that keeps the tests from beginning is noticed, too, but by no test: those are named.
    """
    wanted = " ".join(sys.argv[1:])
    chosen = [mutant for mutant in MUTANTS if wanted in mutant.guard]
    outcomes = {mutant.guard: outcome(mutant) for mutant in tqdm(chosen, unit="mutant")}
    counted = Counter(outcomes.values())
    caught = len(chosen) - counted["survived"]
    sys.stdout.write(f"{caught} of {len(chosen)} mutants caught\n")
    sys.stdout.writelines(
        f"{came}: {each}\n" for each, came in outcomes.items() if came != "caught"
    )
    report("mutants", tried=len(chosen), caught=caught)
    return counted["survived"]


if __name__ == "__main__":
    sys.exit(main())
