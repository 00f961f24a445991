"""`flask …`: thin commands over the services."""

from pathlib import Path

import click
from flask import Flask, current_app

from app.errors import DomainError
from app.services import users
from app.web import openapi


@click.command("create-admin")
@click.option("--email", prompt="E-mail")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
def create_admin(email: str, password: str) -> None:
    """Add an admin."""
    try:
        user = users.create_admin(email=email, password=password)
    except DomainError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{user.email} is an admin.")


@click.command("write-openapi")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False), default="openapi.json")
def write_openapi(path: Path) -> None:
    """Write the OpenAPI document to PATH."""
    path.write_bytes(openapi.text(current_app))


def init_app(app: Flask) -> None:
    app.cli.add_command(create_admin)
    app.cli.add_command(write_openapi)
