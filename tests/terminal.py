"""A terminal in place of the pipes that commands are tried on."""

import pytest


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command that is tried in this process take its output for a terminal."""
    stream = "click.testing._NamedTextIOWrapper.isatty"
    monkeypatch.setattr(stream, lambda _: True, raising=False)
