"""`flask fraud-replay`: what other limits of the fraud rules would have found in the past."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click
from flask.cli import with_appcontext
from tqdm import tqdm

from app.cli.command import Command, replacing
from app.services import replay
from app.services.replay import Change, Replayed
from app.web.csv import defused

SHOWN = 20
COLUMNS = ("on record", "as configured", "as tried", "newly", "no longer")
ANY = "any of them"
HEAD = ("loan_id", "external_id", "applied_at", "rule", "change", "reason")


@dataclass
class Report:
    """How many applications each rule flags, and the first of those that change."""

    rules: Sequence[str]
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {column: Counter() for column in COLUMNS}
    )
    shown: list[str] = field(default_factory=list)
    changed: int = 0

    def add(self, each: Replayed, changes: Sequence[Change]) -> None:
        newly = [change.rule for change in changes if change.is_new]
        no_longer = [change.rule for change in changes if not change.is_new]
        found = (each.on_record, each.configured, each.tried, newly, no_longer)
        for counter, rules in zip(self.counts.values(), found, strict=True):
            counter.update([*rules, ANY] if rules else ())
        self.changed += bool(changes)
        if changes and len(self.shown) < SHOWN:
            signs = (f"{'+' if change.is_new else '-'}{change.rule}" for change in changes)
            self.shown.append(f"{each.loan_id}  {' '.join(signs)}")

    def lines(self) -> Iterator[str]:
        yield f"{'rule':<18}" + "".join(f"{column:>15}" for column in COLUMNS)
        for rule in (*self.rules, ANY):
            figures = (f"{counter[rule]:>15,}" for counter in self.counts.values())
            yield f"{rule:<18}" + "".join(figures)
        changing = "application changes" if self.changed == 1 else "applications change"
        yield f"\n{self.changed:,} {changing}{':' if self.changed else '.'}"
        yield from self.shown
        if self.changed > len(self.shown):
            yield f"and {self.changed - len(self.shown):,} more; --out FILE writes them all."


@click.command("fraud-replay", cls=Command)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), required=True, help="A day, UTC.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="RULE.SETTING=VALUE",
    help="Another limit: velocity.threshold=5, velocity.window=48h, amount=off. Repeatable.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write each change as CSV."
)
@with_appcontext
def fraud_replay(since: datetime, settings: tuple[str, ...], out: Path | None) -> None:
    """Ask the fraud rules about past applications, with other limits, and write nothing.

    Counts how many each rule flags: on record, as it is configured, and as tried. The changes are
    those from configured to tried; where nothing is tried, from the record to what is configured.
    It reads from one snapshot: on a large book, better when little is written.
    """
    tried = replay.limits_with(settings)
    report = Report(tuple(tried))
    with ExitStack() as stack:
        total = replay.count(since.date())
        bar = stack.enter_context(tqdm(total=total, unit=" loans", disable=None))
        lines = csv.writer(stack.enter_context(replacing(out))) if out else None
        if lines:
            lines.writerow(HEAD)
        for each in replay.replay(since.date(), tried):
            changes = each.changes(from_record=not settings)
            report.add(each, changes)
            if lines:
                lines.writerows(_rows(each, changes))
            bar.update()
    click.echo("\n".join(report.lines()))


def _rows(each: Replayed, changes: Iterable[Change]) -> Iterator[list[str]]:
    for change in changes:
        told = "newly found" if change.is_new else "no longer found"
        applied_at = each.applied_at.isoformat()
        names = (str(each.loan_id), each.external_id, applied_at)
        yield [defused(cell) for cell in (*names, change.rule, told, change.reason)]
