"""`flask verify-books`: every balance recomputed from the ledger."""

import click
from flask.cli import with_appcontext
from tqdm import tqdm

from app.cli.command import Command
from app.services import books
from app.services.books import CHECKS


@click.command("verify-books", cls=Command)
@with_appcontext
def verify_books() -> None:
    """Recompute every balance from the ledger, and write nothing.

    Lists each difference and ends with 1 when there is one. It reads from one snapshot: on a large
    book, better when little is written.
    """
    found = 0
    with books.opened() as book:
        total = sum(book.counts[check.reads] for check in CHECKS)
        with tqdm(total=total, unit=" rows", disable=None) as bar:
            for check in CHECKS:
                bar.set_description(check.name)
                for difference in book.differences(check):
                    bar.write(str(difference))
                    found += 1
                bar.update(book.counts[check.reads])
        counts = ", ".join(f"{count:,} {name}" for name, count in book.counts.items())
    click.echo(f"{len(CHECKS)} checks of {counts}: {_told(found)}.")
    if found:
        raise SystemExit(1)


def _told(found: int) -> str:
    return (
        f"{found:,} {'difference' if found == 1 else 'differences'}" if found else "no difference"
    )
