"""The browser code of others: what was published, unchanged, named, and with its licence."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[1] / "app" / "static" / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


def test_every_file_is_named_and_every_name_has_its_file() -> None:
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    named = {f"{package['folder']}/{name}" for package in MANIFEST for name in package["files"]}
    assert there == named | {"manifest.json"}


@pytest.mark.parametrize("package", MANIFEST, ids=lambda package: package["name"])
def test_a_package_is_as_it_was_published(package: dict[str, object]) -> None:
    files = package["files"]
    assert isinstance(files, dict)
    for name, digest in files.items():
        assert sha256((VENDOR / str(package["folder"]) / name).read_bytes()).hexdigest() == digest
    assert any("LICENSE" in name for name in files)
    assert {"name", "version", "licence", "folder", "files"} == set(package)
