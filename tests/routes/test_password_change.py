"""Changing one's password: with the old one only, and with it the other sessions go."""

from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest
from flask import Flask

from app.services import passwords
from tests.credentials import execute, is_good, log_in, refusal, session_of
from tests.factories import PASSWORD, Caller

NEW = "another horse battery"
ALLOWED = 10
WRONG_PASSWORD = (422, "wrong-password")


def change(caller: Caller, current: str = PASSWORD, new: str = NEW) -> Any:
    return caller.post(
        "/auth/users/me/password", {"current_password": current, "new_password": new}
    )


def test_the_new_password_opens_and_the_old_one_does_not(officer: Caller) -> None:
    answer = change(officer)
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert log_in(officer.app, officer.user.email, NEW).status_code == 200
    assert log_in(officer.app, officer.user.email, PASSWORD).status_code == 401


def test_the_other_sessions_end_and_ones_own_goes_on(officer: Caller) -> None:
    access, holder = session_of(officer)
    change(officer)
    assert not is_good(access)
    assert refusal(holder.post("/auth/refresh")) == (401, "unauthenticated")
    assert is_good(officer)


def test_ones_own_refresh_token_stays_good(officer: Caller) -> None:
    access, holder = session_of(officer)
    change(access)
    assert holder.post("/auth/refresh").status_code == 200


def test_another_users_sessions_stay(officer: Caller, admin: Caller) -> None:
    change(officer)
    assert is_good(admin)


def test_a_wrong_current_password_changes_nothing(officer: Caller) -> None:
    access, _ = session_of(officer)
    before = execute(officer.app, "SELECT password_hash, version FROM users")
    assert refusal(change(officer, "not the password")) == WRONG_PASSWORD
    assert execute(officer.app, "SELECT password_hash, version FROM users") == before
    assert is_good(access)


@pytest.mark.parametrize("new", ["7 chars", "{email}", "{EMAIL}"])
def test_a_poor_new_password_is_refused(officer: Caller, new: str) -> None:
    email = officer.user.email
    poor = new.format(email=email, EMAIL=email.upper())
    assert refusal(change(officer, new=poor)) == (422, "weak-password")
    assert log_in(officer.app, email).status_code == 200


def test_strangers_environments_refuse_a_common_new_password(
    officer: Caller, make_app: Callable[..., Flask]
) -> None:
    caller = Caller(make_app(APP_ENV="staging"), officer.headers)
    assert refusal(change(caller, new="password1")) == (422, "weak-password")


@pytest.mark.parametrize("new", ["", "x" * 129, None, 7])
def test_what_is_no_password_is_invalid(officer: Caller, new: Any) -> None:
    assert refusal(change(officer, new=new)) == (422, "invalid")


def test_a_new_password_is_hashed_at_the_present_cost(officer: Caller) -> None:
    change(officer)
    (made,) = execute(officer.app, "SELECT password_hash FROM users")
    assert made.startswith("$argon2id$v=19$m=8,t=1,p=1$")


def test_wrong_current_passwords_are_counted(officer: Caller) -> None:
    answers = [change(officer, "not the password") for _ in range(ALLOWED)]
    assert {refusal(answer) for answer in answers} == {WRONG_PASSWORD}
    answer = change(officer)
    assert refusal(answer) == (429, "too-many")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_thief_of_a_token_cannot_lock_the_owner_out(officer: Caller) -> None:
    for _ in range(ALLOWED + 1):
        change(officer, "not the password")
    assert log_in(officer.app, officer.user.email).status_code == 200


def test_strangers_log_ins_do_not_keep_a_user_from_changing(officer: Caller) -> None:
    for name in (officer.user.email, officer.id, f"password change {officer.id}"):
        for _ in range(ALLOWED + 1):
            log_in(officer.app, name, "not the password")
    assert change(officer).status_code == 204


def test_a_change_forgives_the_wrong_ones_before(officer: Caller) -> None:
    for _ in range(ALLOWED - 1):
        change(officer, "not the password")
    assert change(officer).status_code == 204
    answers = [change(officer, "not the password") for _ in range(ALLOWED)]
    assert {refusal(answer) for answer in answers} == {WRONG_PASSWORD}


def test_of_two_changes_at_once_one_wins(
    officer: Caller, in_parallel: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    both, hashed = Barrier(2), passwords.hashed

    def both_hashed(password: str) -> str:
        made = hashed(password)
        both.wait(10)
        return made

    other, _ = session_of(officer)
    monkeypatch.setattr(passwords, "hashed", both_hashed)
    holders = (officer, other)
    answers = in_parallel(
        *(
            lambda h=holder, n=n: change(h, new=f"password number {n}")
            for n, holder in enumerate(holders)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 422]
    winner = next(n for n, answer in enumerate(answers) if answer.status_code == 204)
    assert [is_good(holder) for holder in holders] == [n == winner for n in range(2)]
    monkeypatch.undo()
    assert log_in(officer.app, officer.user.email, f"password number {winner}").status_code == 200


def test_a_change_takes_a_user(anyone: Caller) -> None:
    assert refusal(change(anyone)) == (401, "unauthenticated")


def test_a_change_is_on_record_without_the_password(admin: Caller) -> None:
    change(admin)
    (event,) = admin.get("/reports/audit?action=user.password_changed").get_json()
    assert (event["subject_id"], event["details"]) == (admin.id, {})
