"""A mutant: one guard of the service taken away, and the tests that must notice."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutant:
    """`old`, which stands once in `file`, becomes `new`; `tests` (pytest arguments) must fail."""

    guard: str
    file: str
    old: str
    new: str
    tests: str

    def apply(self, root: Path) -> None:
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.guard}: {self.old!r} stands {text.count(self.old)} times")
        path.write_text(text.replace(self.old, self.new))
