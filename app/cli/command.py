"""How commands fail, and how they write files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click
from marshmallow import ValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import DomainError, Invalid


class Command(click.Command):
    """A command that is refused, or finds no database, with a sentence and not a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ValidationError as error:
            told = (f"{name}: {' '.join(each)}" for name, each in error.messages_dict.items())
            raise click.ClickException("\n".join(told)) from None
        except Invalid as error:
            raise click.ClickException("; ".join(map(str, error.errors.values()))) from None
        except (DomainError, PoolTimeout, OSError) as error:
            raise click.ClickException(str(error)) from None


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A file that takes the place of `path` once it is whole, and leaves nothing if it never is."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
