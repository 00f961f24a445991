"""`make prove`: the promises at their full size, and the table of the figures that were reached.

The suite runs a short form of each; here each takes minutes. Words after the command choose the
promises that contain them. Of the mutants it tries those around money; `make mutants` tries all.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Proof:
    """A promise, the command that proves it at full size, and what makes it run at that."""

    promise: str
    command: str
    size: Mapping[str, str] = field(default_factory=dict)


PROOFS = (
    Proof(
        "No cent is created or lost",
        "pytest tests/bank/test_bank.py tests/bank/test_machine.py",
        {
            "BANK_CLIENTS": "32",
            "BANK_OPERATIONS": "2000",
            "BANK_SEEDS": "1,2,3",
            "BANK_EXAMPLES": "200",
            "BANK_STEPS": "30",
        },
    ),
    Proof("Once per key", "pytest tests/bank/test_keys.py", {"BANK_KEYS": "10000"}),
    Proof(
        "Limits hold",
        "pytest tests/bank/test_limits.py",
        {"BANK_ROUNDS": "100", "BANK_APPLICATIONS": "100"},
    ),
    Proof(
        "What was acknowledged survives the worker",
        "pytest tests/faults",
        {"FAULTS": "all", "KILLS": "200"},
    ),
    Proof("What was committed is told", "pytest tests/network/test_cut_connections.py"),
    Proof(
        "The database may restart",
        "pytest tests/network/test_restarts.py",
        {"DATABASE_RESTARTS": "50"},
    ),
    Proof(
        "Shutdown is clean: 50 SIGTERMs under load, 0 accepted requests dropped, exit <= 30 s",
        "pytest tests/network/test_clean_shutdown.py",
        {"SIGTERMS": "50"},
    ),
    Proof(
        "One winner",
        "pytest tests/test_races.py tests/test_money_races.py",
        {"RACED_LOANS": "1000"},
    ),
    Proof("Each part may be lost", "pytest tests/bank/test_site.py", {"SITE_ROUNDS": "5"}),
    Proof(
        "Revocation is immediate", "pytest tests/network/test_revocation.py", {"REVOCATIONS": "50"}
    ),
    Proof("Redis is expendable", "pytest tests/test_never_stale.py", {"NEVER_STALE_SECONDS": "60"}),
    Proof(
        "An import resumes",
        "pytest tests/faults/test_import_resumes.py tests/services/imports/test_against_a_model.py",
        {"IMPORT_LINES": "1000000", "IMPORT_KILLS": "20", "IMPORT_EXAMPLES": "2000"},
    ),
    Proof(
        "Counts and reports are exact",
        "pytest tests/services/test_exact_under_load.py tests/services/test_any_statement.py",
        {"TALLY_SNAPSHOTS": "1000", "TALLY_EXAMPLES": "1000"},
    ),
    Proof(
        "No list reads a large table", "pytest tests/test_plans.py", {"PLANNED_LOANS": "1000000"}
    ),
    Proof(
        "Migrations are safe on a live book: no error, no wait beyond the lock_timeout",
        "pytest tests/test_live_migrations.py",
        {"LIVE_LOANS": "1000000"},
    ),
    Proof("A backup restores", "pytest tests/test_backups.py"),
    Proof("Bad input is harmless", "tests.fuzz"),
    Proof("The access matrix is complete", "pytest tests/test_access_matrix.py"),
    Proof("The tests can fail", "tests.mutants money:"),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a proof: whether it held, for how long it ran, the figures it told."""

    proof: Proof
    holds: bool
    seconds: float
    figures: Mapping[str, Any]

    @property
    def row(self) -> str:
        """A line of the table."""
        told = "; ".join(f"{name}: {_shown(each)}" for name, each in self.figures.items())
        verdict = "holds" if self.holds else "**broken**"
        return f"| {self.proof.promise} | {verdict} | {told} | {self.seconds:,.0f} s |"


def tried(proof: Proof) -> Outcome:
    """Run a proof; its output goes where this one's does."""
    began_at = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "figures.json"
        done = subprocess.run(
            [sys.executable, "-m", *shlex.split(proof.command)],
            cwd=ROOT,
            env={**os.environ, **proof.size, "PROVE_REPORT": str(report)},
            check=False,
        )
        figures = json.loads(report.read_text()) if report.exists() else {}
    return Outcome(proof, done.returncode == 0, monotonic() - began_at, figures)


def main(words: Sequence[str]) -> int:
    """The exit code counts the promises that did not hold."""
    wanted = " ".join(words).lower()
    outcomes = [tried(proof) for proof in PROOFS if wanted in proof.promise.lower()]
    head = ("| Promise | | Figures | Took |", "|---|---|---|--:|")
    sys.stdout.write("\n".join(("", *head, *(each.row for each in outcomes), "")))
    return sum(not each.holds for each in outcomes)


def _shown(figure: object) -> str:
    if isinstance(figure, Mapping):
        return ", ".join(f"{name} {_shown(each)}" for name, each in figure.items())
    return f"{figure:,}" if isinstance(figure, int | float) else str(figure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
