"""Which release is running: what one has kept, another never reads."""

import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

APP = Path(__file__).parents[1]
# What shapes an answer beside the service's own code.
SHAPING = ("apispec", "flask", "marshmallow", "orjson", "sqlalchemy")


@cache
def digest() -> str:
    """A digest of the code of `app` and of the versions under it; it takes some milliseconds."""
    hashed = sha256(sys.version.encode())
    for name in SHAPING:
        hashed.update(f"{name} {version(name)}\n".encode())
    for module in sorted(APP.rglob("*.py")):
        hashed.update(f"{module.relative_to(APP)}\n".encode())
        hashed.update(sha256(module.read_bytes()).digest())
    return hashed.hexdigest()[:16]
