"""`flask import-customers`: a file of customers from the shell."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import sleep
from typing import BinaryIO
from uuid import UUID

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from tqdm import tqdm

from app.cli.command import Command
from app.schemas.imports import RefusedLineOut
from app.services import imports, users
from app.services.actor import Actor

READ_AT_ONCE = 1024 * 1024
AT_ONCE = 2
LOOK_SECONDS = 0.2
SHOWN = 20


@click.command("import-customers", cls=Command)
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Check every line, and create nobody.")
@click.option(
    "--as", "email", metavar="E-MAIL", help="On whose behalf: by default the first admin's."
)
@with_appcontext
def import_customers(path: Path, dry_run: bool, email: str | None) -> None:
    """Import customers from the file PATH, as `POST /customers/imports` does.

    Lines `external_id,credit_limit[,preapproved_at]` as CSV in UTF-8. Interrupted, it goes on where
    workers are; or it is run again, for nobody is created twice.
    """
    actor = users.on_behalf_of(email)
    with path.open("rb") as file:
        staged = imports.stage(actor, path.name, _read(file, path.stat().st_size))
    record = imports.accept(actor, staged, is_dry_run=dry_run)
    _carry_on(actor, record.id)
    done = imports.find(actor, record.id)
    would = "would be " if dry_run else ""
    counts = f"{done.created:,} {would}created, {done.rejected:,} rejected"
    click.echo(f"{counts} of {done.total_lines:,} lines.")
    _show_refused(actor, record.id, done.rejected)
    if not done.is_completed:
        raise click.ClickException("The import was given up, for it failed again and again.")


def _read(file: BinaryIO, size: int) -> Iterator[bytes]:
    with tqdm(total=size, desc="reading", unit="B", unit_scale=True, disable=None) as bar:
        while piece := file.read(READ_AT_ONCE):
            yield piece
            bar.update(len(piece))


def _carry_on(actor: Actor, import_id: UUID) -> None:
    """Work on it here, and show how far it is, until it is over, whoever works on it."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]

    def work() -> None:
        with app.app_context():
            imports.carry_on(import_id)

    seen = imports.find(actor, import_id)
    with (
        ThreadPoolExecutor(AT_ONCE) as pool,
        tqdm(total=seen.total_lines, unit=" lines", disable=None) as bar,
    ):
        working: set[Future[None]] = set()
        while seen.is_under_way:
            working |= {pool.submit(work) for _ in range(AT_ONCE - len(working))}
            ended, working = wait(working, LOOK_SECONDS)
            for each in ended:
                each.result()
            if not working:  # what is left, others are at
                sleep(LOOK_SECONDS)
            seen = imports.find(actor, import_id)
            bar.set_postfix(rejected=seen.rejected, refresh=False)
            bar.update(seen.processed - bar.n)


def _show_refused(actor: Actor, import_id: UUID, number: int) -> None:
    page = imports.refused_lines(actor, import_id, page=1, page_size=SHOWN)
    for line in RefusedLineOut(many=True).dump(page.items):
        click.echo(f"line {line['line']}: {line['value']}: {line['reason']}")
    if number > SHOWN:
        click.echo(f"and {number - SHOWN:,} more: GET /customers/imports/{import_id}/errors")
