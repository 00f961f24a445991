"""`flask export …`: all customers, loans or payments, to stdout or into a file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from marshmallow import Schema
from tqdm import tqdm

from app.cli.command import Command, replacing
from app.schemas.customers import CustomerExportFilter, CustomerOut
from app.schemas.loans import LoanExportFilter, LoanOut
from app.schemas.payments import PaymentExportFilter, PaymentOut
from app.services import exports
from app.services.actor import CONSOLE
from app.services.exports import Export
from app.web.streamed import FORMS, Form

Write = Callable[[bytes], object]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


@click.group("export")
def export() -> None:
    """Write all that a list has, newest first, out of one snapshot."""


def _option(name: str, told: str, **attributes: Any) -> Decorator:
    return click.option(f"--{name}", name, help=told, **attributes)


_status = _option("status", "Only those that stand so.")
_statuses = _option("status", "Only those that stand so. Repeatable.", multiple=True)
_customer = _option("customer", "Only those of the customer of that id or external id.")
_from = _option("from", "Only those made since that day, YYYY-MM-DD, UTC.")
_to = _option("to", "Only those made until the end of that day.")
_format = _option("format", "", type=click.Choice(list(FORMS)), default="csv", show_default=True)
_out = _option(
    "out",
    "Write into that file, which is replaced once the export is whole.",
    type=click.Path(path_type=Path, dir_okay=False),
)


def _command(name: str, *filters: Decorator) -> Decorator:
    """A command with those filters, in one of the forms, to stdout or into a file."""

    def made(do: Callable[..., None]) -> Callable[..., None]:
        do = with_appcontext(do)
        for option in reversed((*filters, _format, _out)):
            do = option(do)
        return export.command(name, cls=Command)(do)

    return made


@_command("customers", _status)
def customers(format: str, out: Path | None, **given: Any) -> None:  # noqa: A002
    """Export customers."""
    asked = exports.of_customers(CONSOLE, **_filters(CustomerExportFilter, given))
    _write(asked, FORMS[format](CustomerOut), out)


@_command("loans", _statuses, _customer, _from, _to)
def loans(format: str, out: Path | None, **given: Any) -> None:  # noqa: A002
    """Export loans."""
    asked = exports.of_loans(CONSOLE, **_filters(LoanExportFilter, given))
    _write(asked, FORMS[format](LoanOut), out)


@_command("payments", _status, _customer, _from, _to)
def payments(format: str, out: Path | None, **given: Any) -> None:  # noqa: A002
    """Export payments."""
    asked = exports.of_payments(CONSOLE, **_filters(PaymentExportFilter, given))
    _write(asked, FORMS[format](PaymentOut), out)


def _filters(schema: type[Schema], given: dict[str, Any]) -> dict[str, Any]:
    """The options as the schema reads a query. Raises ValidationError."""
    named = {name: value for name, value in given.items() if value not in (None, ())}
    filters: dict[str, Any] = schema().load(named)
    return filters


def _write(asked: Export, form: Form, out: Path | None) -> None:
    """Write the export as it is read; a terminal shows how far it is, unless it gets the rows."""
    total = asked.count() if out else None
    with (
        tqdm(total=total, unit=f" {asked.name}", disable=None if out else True) as bar,
        _written_to(out) as write,
        asked.opened() as batches,
    ):
        write(form.head)
        for some in batches:
            write(form.some(some))
            bar.update(len(some))


@contextmanager
def _written_to(out: Path | None) -> Iterator[Write]:
    if out is None:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()  # or who has gone meanwhile is noticed only after all
        return
    with replacing(out) as file:
        yield file.buffer.write
