"""How commands fail, and how they write files."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from shutil import copymode
from time import perf_counter
from typing import Any
from uuid import uuid4

import click
from marshmallow import ValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DomainError, Invalid

log = logging.getLogger(__name__)


class Command(click.Command):
    """A command that is refused, or finds no database, with a sentence and not a traceback.

    It has a line in the log: which it was, what came of it, how long it took.
    """

    def invoke(self, ctx: click.Context) -> object:
        began_at, outcome = perf_counter(), "failed"
        try:
            answer = self._invoked(ctx)
            outcome = "done"
        finally:
            ms = round((perf_counter() - began_at) * 1000, 1)
            named = ctx.command_path.removeprefix(f"{ctx.find_root().command_path} ")
            log.info("command", extra={"command": named, "outcome": outcome, "ms": ms})
        return answer

    def _invoked(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ValidationError as error:
            told = (
                f"{name}: {' '.join(_sentences(each))}"
                for name, each in error.messages_dict.items()
            )
            raise click.ClickException("\n".join(told)) from None
        except Invalid as error:
            raise click.ClickException("; ".join(map(str, error.errors.values()))) from None
        except BrokenPipeError:
            raise  # whoever reads has read enough: click ends without a word
        except (DomainError, PoolTimeout, OSError) as error:
            raise click.ClickException(str(error)) from None


def _sentences(told: Any) -> Iterator[str]:
    """What is wrong with a value; of a list, with each of its values."""
    if isinstance(told, Mapping):
        for each in told.values():
            yield from _sentences(each)
    else:
        yield from told


@contextmanager
def replacing(path: Path) -> Iterator[TextIOWrapper]:
    """A file that takes the place of `path` once it is whole, and leaves nothing if it never is.

    What is no plain file, a pipe or a link for instance, is written as it comes.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        with path.open("w", newline="", encoding="utf-8") as file:
            yield file
        return
    part = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with part.open("x", newline="", encoding="utf-8") as file:
            yield file
        if path.exists():
            copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
