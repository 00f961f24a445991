"""The list of mutants must keep up with the code that they change."""

from pathlib import Path

import pytest

from tests.mutants import Mutant
from tests.mutants.catalogue import MUTANTS

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_a_mutant_still_finds_the_guard_it_takes_away(mutant: Mutant, tmp_path: Path) -> None:
    copy = tmp_path / mutant.file
    copy.parent.mkdir(parents=True, exist_ok=True)
    original = (ROOT / mutant.file).read_text()
    copy.write_text(original)
    mutant.apply(tmp_path)
    assert copy.read_text() != original
    tests = [word for word in mutant.tests.split() if word.startswith("tests/")]
    assert tests
    assert all((ROOT / test).exists() for test in tests)
