"""`flask …`: thin commands over the services."""

from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.cli.books import verify_books
from app.cli.command import Command
from app.cli.export import export
from app.cli.imports import import_customers
from app.cli.replay import fraud_replay
from app.schemas.auth import RegisterIn
from app.services import (
    expiry,
    notices,
    search,
    second_factors,
    signing_keys,
    tallies,
    users,
)
from app.services.actor import CONSOLE
from app.web import openapi


@click.command("create-admin", cls=Command)
@click.option("--email", prompt="E-mail")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@with_appcontext
def create_admin(email: str, password: str) -> None:
    """Add an admin."""
    user = users.create_admin(**RegisterIn().load({"email": email, "password": password}))
    click.echo(f"{user.email} is an admin.")


@click.command("forget-expired", cls=Command)
@with_appcontext
def forget_expired() -> None:
    """Delete sessions, failed log-ins, answers and half-sent files that have had their time."""
    click.echo(f"{expiry.forget_expired()} rows deleted.")


@click.command("fold-tallies", cls=Command)
@with_appcontext
def fold_tallies() -> None:
    """Fold what was written into the tallies, as every process does that serves or writes."""
    search.fold_all()
    click.echo(f"{tallies.fold()} tallies changed.")


@click.command("recount-tallies", cls=Command)
@with_appcontext
def recount_tallies() -> None:
    """Count every tally and every loan's open flags anew, for what went round the triggers.

    That are data restored without their tables, for one. Others may write meanwhile.
    """
    tallies.recount()
    search.recount()
    click.echo("Every tally is counted anew.")


@click.command("reset-totp", cls=Command)
@click.argument("email")
@with_appcontext
def reset_totp(email: str) -> None:
    """Take away the second factor of the user with EMAIL, who has lost it."""
    user = second_factors.reset_from_console(email)
    click.echo(f"{user.email} logs in with the password alone.")


@click.command("rotate-keys", cls=Command)
@click.option("--at-once", is_flag=True, help="End what the former keys signed, and every session.")
@with_appcontext
def rotate_keys(at_once: bool) -> None:
    """Sign tokens with a new key, in every process from now on.

    What was signed before counts until it expires: nobody is logged out.
    """
    made = signing_keys.rotate(CONSOLE, at_once=at_once)
    click.echo(f"Tokens are signed with the key {made.name} now.")
    if at_once:
        click.echo("Every session has ended.")


@click.command("send-notices", cls=Command)
@with_appcontext
def send_notices() -> None:
    """Mail the admins what is due about flagged loans: for cron, and what a process left unsent."""
    click.echo(f"{notices.deliver()} notices sent.")


@click.command("write-openapi", cls=Command)
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="openapi.json")
@with_appcontext
def write_openapi(path: Path) -> None:
    """Write the OpenAPI document to PATH."""
    path.write_bytes(openapi.text(current_app))


def init_app(app: Flask) -> None:
    app.cli.add_command(create_admin)
    app.cli.add_command(export)
    app.cli.add_command(forget_expired)
    app.cli.add_command(fold_tallies)
    app.cli.add_command(fraud_replay)
    app.cli.add_command(import_customers)
    app.cli.add_command(recount_tallies)
    app.cli.add_command(reset_totp)
    app.cli.add_command(rotate_keys)
    app.cli.add_command(send_notices)
    app.cli.add_command(verify_books)
    app.cli.add_command(write_openapi)
