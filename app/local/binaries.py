"""Where the wheels keep their programs."""

from importlib.util import find_spec
from pathlib import Path

from app.local.processes import LocalError


def package_folder(package: str) -> Path:
    """The folder of an installed package, which is not imported for it."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(
            f"The package {package} is not installed: pip install -r requirements-local.lock"
        )
    return Path(spec.submodule_search_locations[0])
