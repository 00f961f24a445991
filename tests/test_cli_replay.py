"""`flask fraud-replay`: other limits on past applications, as of each one's own time."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import text

from app.db import db, transaction
from app.errors import DatabaseAway
from app.services import past_facts
from tests.attacks import World
from tests.factories import Caller

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
Replay = Callable[..., Result]


@pytest.fixture
def replay(app: Flask) -> Replay:
    def run(*arguments: str, since: str = "2026-01-01") -> Result:
        command = ["fraud-replay", "--since", since, *arguments]
        return app.test_cli_runner().invoke(args=command)

    return run


def table(result: Result) -> dict[str, list[int]]:
    """The figures by rule: on record, as configured, as tried, newly, no longer."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.split("\n\n")[0].splitlines()[1:]
    return {
        line[:18].strip(): [int(figure.replace(",", "")) for figure in line[18:].split()]
        for line in lines
    }


def move(app: Flask, kind: str, record: dict[str, Any], moment: datetime) -> None:
    with app.app_context(), transaction():
        db.session.execute(
            text(f"UPDATE {kind} SET created_at = :at WHERE id = :id"),  # noqa: S608
            {"at": moment, "id": UUID(record["id"])},
        )


def test_a_lower_threshold_flags_more_and_names_them(
    admin: Caller, replay: Replay, tmp_path: Path
) -> None:
    customer = admin.make_customer()
    loans = [admin.make_loan(customer, external_id=f"=L{number}") for number in range(5)]
    out = tmp_path / "changes.csv"
    result = replay("--set", "velocity.threshold=1", "--out", str(out))
    assert table(result)["velocity"] == [2, 2, 4, 2, 0]
    assert table(result)["any of them"] == [2, 2, 4, 2, 0]
    assert f"{loans[1]['id']}  +velocity\n{loans[2]['id']}  +velocity" in result.stdout
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["loan_id"], row["external_id"], row["rule"], row["change"]) for row in rows] == [
        (loan["id"], f"'{loan['external_id']}", "velocity", "newly found") for loan in loans[1:3]
    ]
    assert "2 applications by this customer within 24h" in rows[0]["reason"]


def test_a_higher_threshold_and_a_rule_turned_off_flag_less(admin: Caller, replay: Replay) -> None:
    customer = admin.make_customer(email="ada@mailinator.com")
    loan = admin.make_loan(customer, amount="6000000.00")
    result = replay("--set", "amount.threshold=6000000", "--set", "disposable-email=off")
    assert table(result)["amount"] == table(result)["disposable-email"] == [1, 1, 0, 0, 1]
    assert f"{loan['id']}  -amount -disposable-email" in result.stdout


def test_another_window_is_tried_too(app: Flask, admin: Caller, replay: Replay) -> None:
    customer = admin.make_customer()
    for hours in (0, 10, 20, 30, 40):
        move(app, "loans", admin.make_loan(customer), NOON + timedelta(hours=hours))
    figures = table(replay("--set", "velocity.window=48h"))
    assert figures["velocity"][1:] == [0, 2, 2, 0]


def test_where_nothing_is_tried_today_is_held_against_the_record(
    make_app: Callable[..., Flask], admin: Caller, replay: Replay
) -> None:
    lax = Caller(make_app(FRAUD_AMOUNT="off"), admin.headers, admin.user)
    missed = lax.make_loan(amount="6000000.00")
    found = admin.make_loan(amount="6000000.00")
    admin.post(f"/loans/{found['id']}/clear-flags", {"reason": "known"})
    result = replay()
    assert table(result)["amount"] == [1, 2, 2, 1, 0]
    assert f"1 application changes:\n{missed['id']}  +amount" in result.stdout


def test_the_facts_are_those_of_each_applications_own_time(
    app: Flask, admin: Caller, replay: Replay
) -> None:
    """Whoever came later shares no phone and no domain with an application made before."""
    early = admin.make_customer(phone="555 0100", email="a@ring.example")
    move(app, "customers", early, NOON - timedelta(days=1))
    before = admin.make_loan(early)
    move(app, "loans", before, NOON)
    late = admin.make_customer(phone="555-0100", email="b@ring.example")
    move(app, "customers", late, NOON + timedelta(days=1))
    after = admin.make_loan(early)
    move(app, "loans", after, NOON + timedelta(days=2))
    result = replay("--set", "email-domain.threshold=1")
    assert table(result)["email-domain"][2] == table(result)["shared-phone"][2] == 1
    assert f"{after['id']}  +email-domain" in result.stdout


def test_an_earlier_declaration_counts_and_a_later_one_does_not(
    app: Flask, admin: Caller, replay: Replay
) -> None:
    customer = admin.make_customer()
    for days, income in ((0, "1000.00"), (1, "1500.00"), (2, "9000.00")):
        move(app, "loans", admin.make_loan(customer, income=income), NOON + timedelta(days=days))
    assert table(replay("--set", "income-jump.threshold=1"))["income-jump"][1:3] == [1, 2]


def test_another_window_of_declarations_is_tried_too(
    app: Flask, admin: Caller, replay: Replay
) -> None:
    customer = admin.make_customer()
    for days, income in ((0, "1000.00"), (100, "9000.00")):
        move(app, "loans", admin.make_loan(customer, income=income), NOON + timedelta(days=days))
    assert table(replay("--set", "income-jump.window=101d"))["income-jump"][1:] == [0, 1, 1, 0]


def test_an_edit_since_then_does_not_count(admin: Caller, replay: Replay) -> None:
    lowered = admin.make_loan(amount="6000000.00")
    admin.patch(f"/loans/{lowered['id']}", {"amount": "100.00"})
    raised = admin.make_loan(income="1000.00")
    admin.patch(f"/loans/{raised['id']}", {"income": "9000.00"})
    figures = table(replay())
    assert figures["amount"] == [1, 1, 1, 0, 0]
    assert figures["income-jump"] == [1, 0, 0, 0, 1]


def test_many_at_one_domain_take_no_longer_than_it_takes_to_exceed_the_limit(
    app: Flask, admin: Caller, replay: Replay
) -> None:
    customers = [admin.make_customer(email=f"{n}@ring.example") for n in range(14)]
    admin.make_loan(customers[-1])
    result = replay("--set", "email-domain.threshold=12")
    assert table(result)["email-domain"][1:] == [1, 1, 0, 0]


def test_only_applications_since_that_day_are_asked_about(
    app: Flask, admin: Caller, replay: Replay
) -> None:
    for moment in (NOON - timedelta(hours=12, microseconds=1), NOON - timedelta(hours=12)):
        move(app, "loans", admin.make_loan(amount="6000000.00"), moment)
    assert table(replay(since="2026-03-01"))["amount"][1] == 1
    assert table(replay(since="2026-03-02"))["amount"][1] == 0


def test_a_public_provider_says_nothing_here_either(admin: Caller, replay: Replay) -> None:
    customers = [admin.make_customer(email=f"{number}@gmail.com") for number in range(3)]
    admin.make_loan(customers[-1])
    assert table(replay("--set", "email-domain.threshold=1"))["email-domain"][2] == 0


def test_nothing_is_written(app: Flask, clean: None, replay: Replay) -> None:
    world = World(app)
    before = world.fingerprint()
    assert replay("--set", "amount.threshold=1").exit_code == 0
    assert world.fingerprint() == before


def test_many_changes_are_counted_and_the_first_are_shown(admin: Caller, replay: Replay) -> None:
    for _ in range(22):
        admin.make_loan()
    result = replay("--set", "amount.threshold=1")
    assert "22 applications change:" in result.stdout
    assert result.stdout.count("+amount") == 20
    assert result.stdout.endswith("and 2 more; --out FILE writes them all.\n")


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("velocty.threshold=5", "There is no rule 'velocty'"),
        ("velocity.threshold", "'' is not a number"),
        ("velocity.treshold=5", "'treshold=5' is none of: on, off, threshold=…, window=…"),
        ("velocity", "'' is none of"),
        ("shared-phone.window=24h", "none of: on, off, threshold=…"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(replay: Replay, setting: str, told: str) -> None:
    result = replay("--set", setting)
    assert (result.exit_code, told in result.output) == (1, True)


def test_a_day_that_is_none_is_refused(replay: Replay) -> None:
    assert replay(since="2026-02-30").exit_code == 2


def test_a_file_that_cannot_be_written_is_named(replay: Replay, tmp_path: Path) -> None:
    result = replay("--out", str(tmp_path / "nowhere" / "changes.csv"))
    assert (result.exit_code, "Error: [Errno 2]" in result.output) == (1, True)


def test_a_replay_that_fails_leaves_the_former_file(
    app: Flask, admin: Caller, replay: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.make_loan()
    out = tmp_path / "changes.csv"
    out.write_text("of yesterday")
    monkeypatch.setattr(past_facts, "told", lambda *_: (_ for _ in ()).throw(DatabaseAway()))
    result = replay("--out", str(out))
    assert (result.exit_code, result.output.endswith("Error: The database is away.\n")) == (1, True)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["of yesterday"]


def test_a_file_is_replaced_with_its_mode_and_a_link_is_written_through(
    admin: Caller, replay: Replay, tmp_path: Path
) -> None:
    plain, target, link = (tmp_path / name for name in ("plain", "target", "link"))
    for path in (plain, target):
        path.write_text("of yesterday")
        path.chmod(0o600)
    link.symlink_to(target)
    for path in (plain, link):
        assert replay("--out", str(path)).exit_code == 0
    for path in (plain, target):
        assert path.read_text().startswith("loan_id,")
        assert path.stat().st_mode & 0o777 == 0o600
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 3
