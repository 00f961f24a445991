"""`make mutants`: take each guard away in turn, and see the tests go red.

Each mutant runs in a copy of the tree, on servers of its own; one that survives is a guard nobody
tests. Words after the command choose the guards that contain them.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from tests.mutants import Mutant
from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).parents[2]
TESTS_FAILED = 1  # pytest's exit code for: they ran, and some failed


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


def is_caught(mutant: Mutant) -> bool:
    """Whether the tests that guard it fail."""
    with copied_tree() as tree:
        mutant.apply(tree)
        command = [sys.executable, "-m", "pytest", "-x", *shlex.split(mutant.tests)]
        done = subprocess.run(
            command, cwd=tree, check=False, capture_output=True, env=_environment()
        )
        return done.returncode == TESTS_FAILED


def _environment() -> dict[str, str]:
    ours = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if name not in ours}


def main() -> int:
    """Try every mutant whose guard contains the words given; the exit code counts survivors."""
    wanted = " ".join(sys.argv[1:])
    chosen = [mutant for mutant in MUTANTS if wanted in mutant.guard]
    survivors = [mutant.guard for mutant in tqdm(chosen, unit="mutant") if not is_caught(mutant)]
    sys.stdout.write(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants caught\n")
    sys.stdout.writelines(f"survived: {guard}\n" for guard in survivors)
    return len(survivors)


if __name__ == "__main__":
    sys.exit(main())
