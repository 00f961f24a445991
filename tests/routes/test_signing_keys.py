"""Keys that tokens are signed with: replaced while everyone goes on, and dead in the end."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

import jwt
import psycopg
import pytest
from flask import Flask
from sqlalchemy import text

from app.config import Settings
from app.db import db
from app.local.processes import wait_until
from app.models import Role
from app.services import signing_keys
from app.services.actor import CONSOLE, Actor
from app.web import tokens
from tests.credentials import claims_of, execute, holders, is_good, log_in, session_of
from tests.factories import Caller, Lender

SECRET_KEY = "of the tests alone, the first one"
NEXT_SECRET_KEY = "of the tests alone, the second one"
LIFE = timedelta(days=30)
UNRETIRED = "SELECT count(*) FROM signing_keys WHERE retires_at IS NULL"
WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
PATIENCE = 20


@pytest.fixture
def another(make_app: Callable[..., Flask]) -> Flask:
    """The service on another machine: the same database, and what it remembers is its own."""
    return make_app()


@pytest.fixture
def rotate(app: Flask) -> Callable[..., str]:
    """Rotate by the command, as on whatever machine; the name of the new key."""

    def run(*options: str, by: Flask = app) -> str:
        done = by.test_cli_runner().invoke(args=["rotate-keys", *options])
        assert done.exit_code == 0, done.output
        return done.output.split("with the key ")[1].split(" now")[0]

    return run


@pytest.fixture
def all_looking_first(
    environ: dict[str, str], in_parallel: Callable[..., list[Any]]
) -> Callable[..., list[Any]]:
    """Run calls that make a key: none writes before each has looked at the keys, or waits to."""

    def run(*calls: Callable[[], Any]) -> list[Any]:
        url = environ["DATABASE_URL"]
        with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watcher:
            holder.execute("LOCK TABLE signing_keys IN SHARE MODE")

            def let_go() -> bool:
                all_wait = (len(calls),)
                try:
                    return wait_until(
                        lambda: watcher.execute(WAITING).fetchone() == all_wait, PATIENCE
                    )
                finally:
                    holder.rollback()

            *found, did_wait = in_parallel(*calls, let_go)
        assert did_wait
        return found

    return run


def key_of(caller: Caller) -> str:
    name: str = jwt.get_unverified_header(caller.token)["kid"]
    return name


def elsewhere(app: Flask, caller: Caller) -> Caller:
    return Caller(app, caller.headers, caller.user)


def renewed(holder: Caller) -> tuple[Caller, Caller]:
    answer = holder.post("/auth/refresh")
    assert answer.status_code == 200, answer.text
    return holders(holder, answer.json)


def test_before_the_first_rotation_tokens_are_signed_with_secret_key(
    officer: Caller, settings: Settings
) -> None:
    assert key_of(officer) == "1"
    said = jwt.decode(officer.token, settings.secret_key, ["HS256"], audience=settings.jwt_audience)
    assert said["sub"] == officer.id


def test_a_rotation_logs_nobody_out_on_any_machine(
    officer: Caller, another: Flask, rotate: Callable[..., str]
) -> None:
    access, refresh = session_of(officer)
    assert is_good(elsewhere(another, access))
    name = rotate()
    for app in (officer.app, another):
        assert is_good(elsewhere(app, access))
    later, its_refresh = renewed(elsewhere(another, refresh))
    assert key_of(later) == key_of(its_refresh) == name
    for app in (officer.app, another):
        assert is_good(elsewhere(app, later))
        assert is_good(elsewhere(app, access))  # the session is the same


def test_whatever_is_issued_after_a_rotation_is_signed_with_the_new_key(
    officer: Caller, another: Flask, rotate: Callable[..., str]
) -> None:
    assert log_in(another, officer.user.email).status_code == 200
    for _ in range(3):
        name = rotate()
        for app in (officer.app, another):
            pair = log_in(app, officer.user.email).json
            assert {key_of(each) for each in holders(officer, pair)} == {name}


def test_tokens_of_several_rotations_count_side_by_side(
    officer: Caller, another: Flask, rotate: Callable[..., str]
) -> None:
    issued = [session_of(officer)[0]]
    for _ in range(3):
        rotate()
        issued.append(session_of(officer)[0])
    assert len({key_of(each) for each in issued}) == 4
    assert all(is_good(elsewhere(another, each)) for each in issued)


def test_tokens_issued_while_keys_are_rotated_are_good(
    officer: Caller, another: Flask, in_parallel: Callable[..., list[Any]]
) -> None:
    def issue() -> list[Caller]:
        return [holders(officer, log_in(another, officer.user.email).json)[0] for _ in range(6)]

    def turn() -> list[Caller]:
        with officer.app.app_context():
            for _ in range(4):
                signing_keys.rotate(CONSOLE)
        return []

    issued = [each for some in in_parallel(issue, issue, turn, turn) for each in some]
    assert len(issued) == 12
    for app in (officer.app, another):
        assert all(is_good(elsewhere(app, each)) for each in issued)
    assert execute(officer.app, UNRETIRED) == (1,)


def test_of_rotations_at_once_the_later_ends_the_formers_signing(
    officer: Caller, all_looking_first: Callable[..., list[Any]]
) -> None:
    def turn() -> str:
        with officer.app.app_context():
            return signing_keys.rotate(CONSOLE).name

    assert len({*all_looking_first(turn, turn)}) == 2
    assert execute(officer.app, UNRETIRED) == (1,)


def test_many_that_find_no_key_make_one(
    app: Flask, clean: None, all_looking_first: Callable[..., list[Any]]
) -> None:
    def sign() -> str:
        with app.app_context():
            return signing_keys.signing().name

    assert set(all_looking_first(*[sign] * 4)) == {"1"}
    assert execute(app, "SELECT count(*) FROM signing_keys") == (1,)


def test_a_former_keys_tokens_count_as_long_as_a_token_lives(
    officer: Caller, rotate: Callable[..., str]
) -> None:
    rotate()
    (retires_at,) = execute(officer.app, "SELECT retires_at FROM signing_keys WHERE name = '1'")
    assert abs(retires_at - datetime.now(UTC) - LIFE) < timedelta(minutes=1)
    rotate()  # puts the end of those before off no further
    unchanged = execute(officer.app, "SELECT retires_at FROM signing_keys WHERE name = '1'")
    assert unchanged == (retires_at,)


def test_a_retired_keys_tokens_are_dead_whatever_they_say(
    officer: Caller,
    another: Flask,
    rotate: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    access, refresh = session_of(officer)
    rotate()
    soon = datetime.now(UTC) + timedelta(minutes=5)
    execute(another, "UPDATE signing_keys SET retires_at = :soon WHERE name = '1'", soon=soon)
    assert is_good(elsewhere(another, access))  # proven, and remembered
    assert claims_of(access.token)["exp"] > soon.timestamp()
    monkeypatch.setattr(tokens, "time", lambda: soon.timestamp() + 1)
    assert not is_good(elsewhere(another, access))
    assert elsewhere(another, refresh).post("/auth/refresh").status_code == 401


def test_a_key_is_forgotten_when_nothing_it_signed_can_be_good(
    officer: Caller, make_app: Callable[..., Flask], rotate: Callable[..., str]
) -> None:
    name = rotate()
    execute(officer.app, "UPDATE signing_keys SET retires_at = now() WHERE name = '1'")
    assert not is_good(elsewhere(make_app(), officer))
    with officer.app.app_context():
        assert {*signing_keys.living()} == {name}  # refused by its name, too
    runner = officer.app.test_cli_runner()
    assert runner.invoke(args=["forget-expired"]).output == "1 rows deleted.\n"
    assert not is_good(elsewhere(make_app(), officer))
    assert execute(officer.app, "SELECT count(*) FROM signing_keys") == (1,)


def test_at_once_ends_what_the_former_keys_signed_and_every_session(
    officer: Caller, admin: Caller, another: Flask, rotate: Callable[..., str]
) -> None:
    assert is_good(elsewhere(another, officer))
    rotate("--at-once")
    for app in (officer.app, another):
        assert not is_good(elsewhere(app, officer))
        assert not is_good(elsewhere(app, admin))
    assert is_good(session_of(officer)[0])


def test_what_is_forged_with_a_key_that_was_ended_opens_no_later_session(
    officer: Caller, another: Flask, settings: Settings, rotate: Callable[..., str]
) -> None:
    assert is_good(elsewhere(another, officer))  # knows the key
    rotate("--at-once")
    later = session_of(officer)[0]
    assert is_good(elsewhere(another, later))
    forged = jwt.encode(claims_of(later.token), settings.secret_key, "HS256", {"kid": "1"})
    for app in (officer.app, another):
        assert not is_good(Caller(app, {"Authorization": f"Bearer {forged}"}))


def test_nor_where_nobody_has_shown_another_key_yet(
    officer: Caller,
    another: Flask,
    settings: Settings,
    rotate: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert is_good(elsewhere(another, officer))  # knows the key
    rotate("--at-once")
    later = session_of(officer)[0]
    forged = jwt.encode(claims_of(later.token), settings.secret_key, "HS256", {"kid": "1"})
    in_a_while = monotonic() + tokens.KEYS_SECONDS
    monkeypatch.setattr(tokens, "monotonic", lambda: in_a_while)
    assert not is_good(Caller(another, {"Authorization": f"Bearer {forged}"}))


@pytest.mark.parametrize("kid", ["2", "", "1\0", "x" * 5000, "é", None])
def test_a_key_that_nobody_made_signs_nothing(
    officer: Caller, settings: Settings, rotate: Callable[..., str], kid: Any
) -> None:
    rotate()
    header = {} if kid is None else {"kid": kid}
    forged = jwt.encode(claims_of(officer.token), settings.secret_key, "HS256", header)
    assert not is_good(Caller(officer.app, {"Authorization": f"Bearer {forged}"}))


def test_a_key_signs_in_its_own_name_alone(officer: Caller, rotate: Callable[..., str]) -> None:
    name = rotate()
    with officer.app.app_context():
        secret = signing_keys.signing().secret
    for kid, is_taken in ((name, True), ("1", False)):
        made = jwt.encode(claims_of(officer.token), secret, "HS256", {"kid": kid})
        assert is_good(Caller(officer.app, {"Authorization": f"Bearer {made}"})) is is_taken


def test_keys_are_stored_sealed(
    officer: Caller, settings: Settings, rotate: Callable[..., str]
) -> None:
    rotate()
    with officer.app.app_context():
        secrets = {key.secret for key in signing_keys.living().values()}
        with db.engine.connect() as connection:
            kept = connection.execute(text("SELECT sealed FROM signing_keys")).scalars().all()
    assert settings.secret_key in secrets
    assert len(secrets) == len(kept) == 2
    assert not any(secret.encode() in each for secret in secrets for each in kept)


def test_a_rotation_is_on_record_without_the_key(admin: Caller, rotate: Callable[..., str]) -> None:
    name = rotate()
    with admin.app.app_context():
        secret = signing_keys.signing().secret
    answer = admin.get("/reports/audit?action=signing_key.made")
    event = answer.json[0]
    assert event["actor_kind"] == "console"
    assert event["details"] == {"key": name, "at_once": False}
    assert secret not in answer.text


@pytest.mark.parametrize("role", [Role.OFFICER, Role.APPLICANT])
def test_only_an_admin_rotates(app: Flask, lender: Lender, role: Role) -> None:
    user = lender.user(role).user
    with app.app_context(), pytest.raises(Exception, match="Only an admin"):
        signing_keys.rotate(Actor(id=user.id, role=role))


# -- another SECRET_KEY


@pytest.fixture
def moved(make_app: Callable[..., Flask], clean: None) -> Iterator[Callable[..., Flask]]:
    """The service with one SECRET_KEY or the next."""

    def make(secret: str, former: str = "") -> Flask:
        return make_app(SECRET_KEY=secret, SECRET_KEY_FORMER=former)

    return make


def test_a_new_secret_key_beside_the_former_logs_nobody_out(
    officer: Caller, moved: Callable[..., Flask], rotate: Callable[..., str]
) -> None:
    execute(officer.app, "DELETE FROM signing_keys")
    before = moved(SECRET_KEY)
    access, refresh = holders(officer, log_in(before, officer.user.email).json)
    after = moved(NEXT_SECRET_KEY, SECRET_KEY)
    assert is_good(elsewhere(after, access))
    renewed(elsewhere(after, refresh))
    rotate(by=after)
    alone = moved(NEXT_SECRET_KEY)  # all that is left is sealed under the present one
    assert is_good(elsewhere(alone, access))
    pair = log_in(alone, officer.user.email).json
    assert is_good(elsewhere(after, holders(officer, pair)[0]))


def test_a_new_secret_key_alone_ends_what_was_signed_and_lets_everyone_log_in(
    officer: Caller, moved: Callable[..., Flask]
) -> None:
    after = moved(NEXT_SECRET_KEY)
    assert not is_good(elsewhere(after, officer))
    access, _ = holders(officer, log_in(after, officer.user.email).json)
    assert is_good(elsewhere(after, access))
    assert not is_good(elsewhere(officer.app, access))
    assert is_good(officer)  # a machine that was told wrongly harms no other


def test_of_keys_of_which_none_has_ended_the_newest_signs(
    officer: Caller, moved: Callable[..., Flask], settings: Settings
) -> None:
    alone = moved(NEXT_SECRET_KEY)  # cannot open the first, and makes another
    later, _ = holders(officer, log_in(alone, officer.user.email).json)
    both = moved(NEXT_SECRET_KEY, settings.secret_key)
    assert is_good(elsewhere(both, officer))
    latest, _ = holders(officer, log_in(both, officer.user.email).json)
    assert execute(both, UNRETIRED) == (2,)
    assert key_of(latest) == key_of(later) != key_of(officer)
