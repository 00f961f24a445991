"""Second factors: set up with the password, confirmed by a code, asked for at log-in, and lost."""

import re
from collections import Counter
from collections.abc import Callable
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
from flask import Flask
from pyotp import parse_uri

from app.models import Role
from app.services import one_time_passwords, passwords, proofs
from tests.authenticator import TOTP_PATH, Authenticator, confirmed, rest, set_up
from tests.credentials import (
    execute,
    is_good,
    key_holder,
    log_in,
    others_fail_meanwhile,
    refusal,
    session_of,
)
from tests.factories import PASSWORD, Caller, Lender, created

ALLOWED = 10
NEW = "another horse battery"
WRONG = "not the password"
INVALID = (401, "invalid-credentials")
OTP_REQUIRED = (401, "otp-required")
TOO_MANY = (429, "too-many")
WRONG_OTP = (422, "wrong-otp")
WRONG_PASSWORD = (422, "wrong-password")
ACTIVE, INACTIVE = (409, "totp-active"), (409, "totp-inactive")
RECOVERY_CODE = re.compile(r"[a-z2-7]{4}(-[a-z2-7]{4}){3}")
ROW = "SELECT * FROM users WHERE id = :id"

Parallel = Callable[..., list[Any]]


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.OFFICER, email="ada.king@lender.example.com")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The codes that are judged."""
    codes: list[str] = []
    taking = one_time_passwords.take

    def take(actor: Any, user: Any, code: str) -> bool:
        codes.append(code)
        return taking(actor, user, code)

    monkeypatch.setattr(one_time_passwords, "take", take)
    return codes


@pytest.fixture
def app_of_ada(ada: Caller) -> Authenticator:
    """Ada's, whose second factor is confirmed."""
    return confirmed(ada)


def enter(user: Caller, otp: str | None = None, password: str = PASSWORD, **kwargs: Any) -> Any:
    return log_in(user.app, user.user.email, password, otp, **kwargs)


def prepare(user: Caller, password: str = PASSWORD) -> Any:
    return user.post(TOTP_PATH, {"current_password": password})


def confirm(user: Caller, otp: str) -> Any:
    return user.post(f"{TOTP_PATH}/confirm", {"otp": otp})


def renew(user: Caller, otp: str) -> Any:
    return user.post(f"{TOTP_PATH}/recovery-codes", {"otp": otp})


def switch_off(user: Caller, otp: str, password: str = PASSWORD) -> Any:
    return user.delete(TOTP_PATH, {"current_password": password, "otp": otp})


def change_password(user: Caller, current: str = PASSWORD, new: str = NEW) -> Any:
    body = {"current_password": current, "new_password": new}
    return user.post("/auth/users/me/password", body)


def has_totp(user: Caller) -> bool:
    return bool(user.get("/auth/users/me").get_json()["has_totp"])


def row(user: Caller) -> Any:
    return execute(user.app, ROW, id=user.id)


def sessions(user: Caller) -> int:
    query = "SELECT count(*) FROM login_sessions WHERE user_id = :id"
    return int(execute(user.app, query, id=user.id)[0])


def events(admin: Caller, action: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = admin.get(f"/reports/audit?action={action}").get_json()
    return shown


# -- setting up


def test_what_is_set_up_is_answered_in_three_forms(ada: Caller) -> None:
    answer = created(prepare(ada))
    assert set(answer) == {"secret", "otpauth_uri", "qr_svg"}
    assert re.fullmatch(r"[A-Z2-7]{32}", answer["secret"])
    read = parse_uri(answer["otpauth_uri"])
    assert (read.secret, read.name, read.issuer) == (
        *(answer["secret"], "ada.king@lender.example.com", "Loan service"),
    )


def test_the_issuer_is_configurable(ada: Caller, make_app: Callable[..., Flask]) -> None:
    caller = Caller(make_app(TOTP_ISSUER="Société & Söhne"), ada.headers)
    assert parse_uri(created(prepare(caller))["otpauth_uri"]).issuer == "Société & Söhne"


def test_the_qr_code_has_nothing_that_a_strict_page_refuses(ada: Caller) -> None:
    drawn = ElementTree.fromstring(created(prepare(ada))["qr_svg"])  # noqa: S314 (it is ours)
    assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert {part.tag.rpartition("}")[2] for part in drawn.iter()} == {"svg", "path"}
    known = {"viewBox", "d", "fill", "stroke", "transform"}
    assert {name for part in drawn.iter() for name in part.attrib} <= known


def test_the_longest_e_mail_and_issuer_fit_into_a_qr_code(
    lender: Lender, make_app: Callable[..., Flask]
) -> None:
    email = f"{'ü' * 32}@{'.'.join(['x' * 59] * 3)}.example"
    assert len(email.encode()) == 252
    user = lender.user(Role.OFFICER, email=email)
    caller = Caller(make_app(TOTP_ISSUER="€" * 40), user.headers)
    assert created(prepare(caller))["qr_svg"].startswith("<svg ")


def test_what_is_only_set_up_is_not_asked_for(ada: Caller) -> None:
    set_up(ada)
    assert not has_totp(ada)
    assert enter(ada).status_code == 200


def test_it_takes_the_password(ada: Caller) -> None:
    before = row(ada)
    assert refusal(prepare(ada, WRONG)) == WRONG_PASSWORD
    assert row(ada) == before


def test_wrong_passwords_are_counted_wherever_a_session_asks_for_it(ada: Caller) -> None:
    guesses = (
        lambda: prepare(ada, WRONG),
        lambda: change_password(ada, WRONG),
        lambda: switch_off(ada, "123456", WRONG),
    )
    answers = [guesses[number % 3]() for number in range(ALLOWED)]
    assert {refusal(answer) for answer in answers} == {WRONG_PASSWORD}
    assert refusal(prepare(ada)) == TOO_MANY
    assert refusal(change_password(ada)) == TOO_MANY
    assert refusal(switch_off(ada, "123456")) == TOO_MANY


def test_a_password_replaced_while_it_was_matched_sets_nothing_up(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, _ = session_of(ada)
    matching = passwords.matches

    def while_it_is_replaced(*args: Any) -> bool:
        matched = matching(*args)
        monkeypatch.setattr(passwords, "matches", matching)
        in_another_thread(lambda: change_password(other))
        return matched

    monkeypatch.setattr(passwords, "matches", while_it_is_replaced)
    assert refusal(prepare(ada)) == WRONG_PASSWORD
    assert row(ada).totp_secret is None


def test_setting_up_anew_kills_what_was_set_up_before(ada: Caller) -> None:
    former, present = set_up(ada), set_up(ada)
    assert former.secret != present.secret
    assert refusal(confirm(ada, former.code())) == WRONG_OTP
    assert confirm(ada, present.code()).status_code == 200


def test_an_active_second_factor_is_not_replaced(ada: Caller, app_of_ada: Authenticator) -> None:
    before = row(ada)
    assert refusal(prepare(ada)) == ACTIVE
    assert row(ada) == before


def test_neither_secret_nor_codes_can_be_read_from_the_table(ada: Caller) -> None:
    app = confirmed(ada)
    stored = row(ada)
    in_clear = (app.secret, *app.recovery_codes, *(c.replace("-", "") for c in app.recovery_codes))
    held = bytes(stored.totp_secret) + b"".join(map(bytes, stored.recovery_digests))
    assert not [each for each in in_clear if each.encode().lower() in held.lower()]
    assert len({bytes(digest) for digest in stored.recovery_digests}) == 10
    assert {len(digest) for digest in stored.recovery_digests} == {32}


def test_a_secret_opens_in_its_own_users_row_alone(ada: Caller, officer: Caller) -> None:
    app = confirmed(ada)
    execute(
        ada.app,
        "UPDATE users SET (totp_secret, totp_step, totp_enabled_at, recovery_digests) = "
        "(SELECT totp_secret, totp_step, totp_enabled_at, recovery_digests FROM users "
        "WHERE id = :ada) WHERE id = :other",
        ada=ada.id,
        other=officer.id,
    )
    for code in (app.code(), app.recovery_codes[0]):
        assert refusal(enter(officer, code)) == INVALID
        assert enter(ada, code).status_code == 200


# -- confirming


def test_a_right_code_activates_it_and_answers_ten_recovery_codes(ada: Caller) -> None:
    before = ada.get("/auth/users/me").headers["ETag"]
    answer = confirm(ada, set_up(ada).code())
    assert answer.status_code == 200
    assert set(answer.get_json()) == {"recovery_codes"}
    codes = answer.get_json()["recovery_codes"]
    assert len(codes) == len(set(codes)) == 10
    assert all(RECOVERY_CODE.fullmatch(code) for code in codes)
    assert has_totp(ada)
    assert ada.get("/auth/users/me").headers["ETag"] != before


def test_a_list_of_users_says_who_has_one(admin: Caller, app_of_ada: Authenticator) -> None:
    shown = admin.get("/auth/users?fields=email,has_totp").get_json()
    assert shown == [
        {"email": "ada.king@lender.example.com", "has_totp": True},
        {"email": admin.user.email, "has_totp": False},
    ]


def test_it_ends_the_users_other_sessions_and_nobody_elses(ada: Caller, officer: Caller) -> None:
    access, holder = session_of(ada)
    confirmed(ada)
    assert not is_good(access)
    assert refusal(holder.post("/auth/refresh")) == (401, "unauthenticated")
    assert is_good(ada)
    assert is_good(officer)


def test_a_wrong_code_activates_nothing(ada: Caller) -> None:
    app, (other, _) = set_up(ada), session_of(ada)
    before = row(ada)
    assert refusal(confirm(ada, app.wrong_code())) == WRONG_OTP
    assert refusal(confirm(ada, "abcd-efgh-ijkl-mnop")) == WRONG_OTP
    assert row(ada) == before
    assert is_good(other)


def test_wrong_codes_are_counted(ada: Caller) -> None:
    app = set_up(ada)
    answers = [confirm(ada, app.wrong_code()) for _ in range(ALLOWED)]
    assert {refusal(answer) for answer in answers} == {WRONG_OTP}
    answer = confirm(ada, app.code())
    assert refusal(answer) == TOO_MANY
    assert int(answer.headers["Retry-After"]) > 0
    assert not has_totp(ada)


def test_there_must_be_something_to_confirm(ada: Caller) -> None:
    assert refusal(confirm(ada, "123456")) == INACTIVE
    app = confirmed(ada)
    assert refusal(confirm(ada, app.code())) == ACTIVE


def test_of_two_that_confirm_with_one_code_one_wins(ada: Caller, in_parallel: Parallel) -> None:
    for _ in range(5):
        code = set_up(ada).code()
        answers = in_parallel(*[lambda code=code: confirm(ada, code)] * 2)
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        execute(ada.app, "UPDATE users SET totp_enabled_at = NULL WHERE id = :id", id=ada.id)


def test_the_code_that_confirmed_opens_nothing(ada: Caller) -> None:
    app = set_up(ada)
    code = app.code()
    assert confirm(ada, code).status_code == 200
    assert refusal(enter(ada, code)) == INVALID
    assert enter(ada, app.code(1)).status_code == 200


# -- logging in


def test_the_right_password_alone_is_told_that_a_code_is_required(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    before, open_before = row(ada), sessions(ada)
    answer = enter(ada)
    assert refusal(answer) == OTP_REQUIRED
    assert set(answer.get_json()) == {
        *("type", "title", "status", "code", "detail", "message", "request_id"),
    }
    assert (row(ada), sessions(ada)) == (before, open_before)
    assert execute(ada.app, "SELECT count(*) FROM login_failures") == (0,)


def test_password_and_code_open_a_session(ada: Caller, app_of_ada: Authenticator) -> None:
    assert enter(ada, app_of_ada.code()).status_code == 200


def test_a_code_works_once(ada: Caller, app_of_ada: Authenticator) -> None:
    code = app_of_ada.code()
    assert enter(ada, code).status_code == 200
    assert refusal(enter(ada, code)) == INVALID


def test_no_code_from_before_the_last_one_works(ada: Caller, app_of_ada: Authenticator) -> None:
    earlier, later = app_of_ada.code(), app_of_ada.code(1)
    assert enter(ada, later).status_code == 200
    assert refusal(enter(ada, earlier)) == INVALID


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_of_another_time_opens_nothing(
    ada: Caller, app_of_ada: Authenticator, steps: int
) -> None:
    assert refusal(enter(ada, app_of_ada.code(steps))) == INVALID


def test_a_wrong_code_is_refused_as_a_wrong_password(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    same = {"headers": {"X-Request-ID": "same"}}
    before, open_before = row(ada), sessions(ada)
    answers = [
        enter(ada, app_of_ada.wrong_code(), **same),
        enter(ada, "abcd-efgh-ijkl-mnop", **same),
        enter(ada, None, WRONG, **same),
        enter(ada, app_of_ada.code(), WRONG, **same),
    ]
    assert {refusal(answer) for answer in answers} == {INVALID}
    assert len({(answer.get_data(), tuple(sorted(answer.headers))) for answer in answers}) == 1
    assert (row(ada), sessions(ada)) == (before, open_before)
    assert execute(ada.app, "SELECT failures FROM login_failures") == (4,)


def test_a_wrong_password_uses_no_code_up(ada: Caller, app_of_ada: Authenticator) -> None:
    code, recovery = app_of_ada.code(), app_of_ada.recovery_codes[0]
    for otp in (code, recovery):
        assert refusal(enter(ada, otp, WRONG)) == INVALID
        assert enter(ada, otp).status_code == 200


def test_whoever_has_no_second_factor_may_send_anything(officer: Caller) -> None:
    assert enter(officer, "000000").status_code == 200


@pytest.mark.parametrize("otp", ["", "12345", "1234567", "12345a", 123456, None, "123 456"])
def test_what_is_no_code_is_invalid(ada: Caller, app_of_ada: Authenticator, otp: Any) -> None:
    body = {"email": ada.user.email, "password": PASSWORD, "otp": otp}
    assert refusal(Caller(ada.app).post("/auth/login", body)) == (422, "invalid")


def test_a_disabled_user_is_not_asked_for_a_code(
    admin: Caller, ada: Caller, app_of_ada: Authenticator
) -> None:
    admin.patch(f"/auth/users/{ada.id}", {"is_active": False})
    for otp in (None, app_of_ada.code(), app_of_ada.wrong_code()):
        assert refusal(enter(ada, otp)) == INVALID


def test_of_log_ins_with_one_code_at_once_one_succeeds(
    ada: Caller, app_of_ada: Authenticator, in_parallel: Parallel
) -> None:
    for _ in range(5):
        rest(ada)
        code = app_of_ada.code()
        answers = in_parallel(*[lambda code=code: enter(ada, code)] * 8)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 7}
        execute(ada.app, "DELETE FROM login_failures")


def test_of_log_ins_with_one_recovery_code_at_once_one_succeeds(
    ada: Caller, app_of_ada: Authenticator, in_parallel: Parallel
) -> None:
    for code in app_of_ada.recovery_codes[:5]:
        answers = in_parallel(*[lambda code=code: enter(ada, code)] * 8)
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 7}
        execute(ada.app, "DELETE FROM login_failures")
    assert len(row(ada).recovery_digests) == 5


def test_a_session_and_a_log_in_do_not_share_a_code(
    ada: Caller, app_of_ada: Authenticator, in_parallel: Parallel
) -> None:
    for _ in range(5):
        rest(ada)
        code = app_of_ada.code()
        answers = in_parallel(
            lambda code=code: enter(ada, code), lambda code=code: renew(ada, code)
        )
        assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 422])


# -- recovery codes


def test_each_recovery_code_works_once_in_place_of_a_code(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    for code in app_of_ada.recovery_codes:
        assert enter(ada, code).status_code == 200
        assert refusal(enter(ada, code)) == INVALID
    assert row(ada).recovery_digests == []


def test_a_recovery_code_may_be_typed_in_capitals_and_without_its_hyphens(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    first, second, third, *_ = app_of_ada.recovery_codes
    for typed in (first.upper(), second.replace("-", ""), third.replace("-", "", 1).title()):
        assert enter(ada, typed).status_code == 200


def test_new_recovery_codes_kill_the_former(ada: Caller, app_of_ada: Authenticator) -> None:
    answer = renew(ada, app_of_ada.code())
    assert answer.status_code == 200
    fresh = answer.get_json()["recovery_codes"]
    assert len(set(fresh)) == 10
    assert not set(fresh) & set(app_of_ada.recovery_codes)
    assert refusal(enter(ada, app_of_ada.recovery_codes[0])) == INVALID
    assert enter(ada, fresh[0]).status_code == 200


def test_a_recovery_code_buys_new_ones_too(ada: Caller, app_of_ada: Authenticator) -> None:
    assert renew(ada, app_of_ada.recovery_codes[0]).status_code == 200


def test_a_wrong_code_renews_nothing(ada: Caller, app_of_ada: Authenticator) -> None:
    assert refusal(renew(ada, app_of_ada.wrong_code())) == WRONG_OTP
    assert enter(ada, app_of_ada.recovery_codes[0]).status_code == 200


def test_without_a_second_factor_there_is_nothing_to_recover(ada: Caller) -> None:
    assert refusal(renew(ada, "123456")) == INACTIVE
    app = set_up(ada)
    assert refusal(renew(ada, app.code())) == INACTIVE


# -- few guesses


def test_wrong_codes_and_wrong_passwords_are_counted_together(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    for number in range(ALLOWED):
        wrong = (app_of_ada.wrong_code(), PASSWORD) if number % 2 else (None, WRONG)
        assert refusal(enter(ada, *wrong)) == INVALID
    for otp in (None, app_of_ada.code(), app_of_ada.wrong_code(), app_of_ada.recovery_codes[0]):
        assert refusal(enter(ada, otp)) == TOO_MANY


def test_the_right_password_alone_forgives_no_wrong_codes(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    for _ in range(ALLOWED):
        assert refusal(enter(ada)) == OTP_REQUIRED
        assert refusal(enter(ada, app_of_ada.wrong_code())) == INVALID
    assert refusal(enter(ada)) == TOO_MANY


def test_password_and_code_forgive_the_wrong_ones_before(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    for _ in range(ALLOWED - 1):
        enter(ada, app_of_ada.wrong_code())
    assert enter(ada, app_of_ada.code()).status_code == 200
    answers = [enter(ada, app_of_ada.wrong_code()) for _ in range(ALLOWED)]
    assert {refusal(answer) for answer in answers} == {INVALID}


def test_wrong_codes_sent_at_once_are_no_more_than_in_turn(
    ada: Caller, app_of_ada: Authenticator, in_parallel: Parallel, looked_at: list[str]
) -> None:
    wrong = app_of_ada.wrong_code()
    looked_at.clear()
    answers = in_parallel(*[lambda: enter(ada, wrong)] * 30)
    assert Counter(answer.status_code for answer in answers) == {401: ALLOWED, 429: 20}
    assert looked_at == [wrong] * ALLOWED


def test_wrong_codes_sent_at_once_in_a_session_are_no_more_than_in_turn(
    ada: Caller, app_of_ada: Authenticator, in_parallel: Parallel, looked_at: list[str]
) -> None:
    wrong = app_of_ada.wrong_code()
    looked_at.clear()
    answers = in_parallel(*[lambda: renew(ada, wrong)] * 30)
    assert Counter(answer.status_code for answer in answers) == {422: ALLOWED, 429: 20}
    assert looked_at == [wrong] * ALLOWED


def test_whose_share_was_used_up_while_the_password_was_matched_learns_nothing_of_it(
    ada: Caller, app_of_ada: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_fail_meanwhile(monkeypatch, ada, ALLOWED)
    assert refusal(enter(ada)) == TOO_MANY
    execute(ada.app, "DELETE FROM login_failures")
    assert refusal(enter(ada, app_of_ada.code())) == TOO_MANY


def test_the_password_forgives_no_wrong_codes_of_a_session(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    current = PASSWORD
    for number in range(ALLOWED):
        assert refusal(switch_off(ada, app_of_ada.wrong_code(), current)) == WRONG_OTP
        assert change_password(ada, current, f"{NEW} {number}").status_code == 204
        current = f"{NEW} {number}"
    assert refusal(switch_off(ada, app_of_ada.code(), current)) == TOO_MANY
    assert refusal(renew(ada, app_of_ada.code())) == TOO_MANY


def test_a_thief_of_a_token_cannot_lock_the_owner_out(
    ada: Caller, app_of_ada: Authenticator
) -> None:
    for _ in range(ALLOWED + 1):
        renew(ada, app_of_ada.wrong_code())
    assert enter(ada, app_of_ada.code()).status_code == 200


# -- what changes while a password is matched


def in_another_thread(happens: Callable[[], Any]) -> None:
    """Let something happen now, in a session of its own; it must succeed."""
    answers: list[Any] = []
    thread = Thread(target=lambda: answers.append(happens()))
    thread.start()
    thread.join(30)
    assert answers[0].status_code < 300, answers[0].text


def test_a_second_factor_confirmed_meanwhile_is_asked_for(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the log-in has seen that there is none, and before it has the user's lock."""
    app, noting = set_up(ada), proofs.note

    def while_it_is_confirmed(*args: Any) -> None:
        monkeypatch.setattr(proofs, "note", noting)
        in_another_thread(lambda: confirm(ada, app.code()))
        noting(*args)

    monkeypatch.setattr(proofs, "note", while_it_is_confirmed)
    open_before = sessions(ada)
    assert refusal(enter(ada)) == OTP_REQUIRED
    assert sessions(ada) == open_before


def test_no_log_in_without_a_code_outlives_a_confirmation(
    ada: Caller, in_parallel: Parallel
) -> None:
    app = set_up(ada)
    calls = [lambda: enter(ada)] * 6
    *answers, confirmation = in_parallel(*calls, lambda: confirm(ada, app.code()))
    assert confirmation.status_code == 200
    query = "SELECT count(*) FROM login_sessions WHERE user_id = :id AND ended_at IS NULL"
    assert execute(ada.app, query, id=ada.id) == (1,)
    assert {answer.status_code for answer in answers} <= {200, 401}
    assert is_good(ada)


# -- switching off


def test_password_and_code_switch_it_off(ada: Caller, app_of_ada: Authenticator) -> None:
    answer = switch_off(ada, app_of_ada.code())
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert not has_totp(ada)
    assert enter(ada).status_code == 200
    left = (row(ada).totp_secret, row(ada).totp_step, row(ada).recovery_digests)
    assert left == (None, None, None)


def test_a_recovery_code_switches_it_off_too(ada: Caller, app_of_ada: Authenticator) -> None:
    assert switch_off(ada, app_of_ada.recovery_codes[0]).status_code == 204


def test_it_can_be_set_up_again_with_another_secret(ada: Caller, app_of_ada: Authenticator) -> None:
    assert switch_off(ada, app_of_ada.code()).status_code == 204
    again = confirmed(ada)
    assert again.secret != app_of_ada.secret
    assert refusal(enter(ada, app_of_ada.recovery_codes[0])) == INVALID
    assert enter(ada, again.recovery_codes[0]).status_code == 200


def test_neither_the_password_nor_a_code_suffices(ada: Caller, app_of_ada: Authenticator) -> None:
    assert refusal(switch_off(ada, app_of_ada.wrong_code())) == WRONG_OTP
    assert refusal(switch_off(ada, app_of_ada.code(), WRONG)) == WRONG_PASSWORD
    assert has_totp(ada)
    assert enter(ada, app_of_ada.code()).status_code == 200


def test_what_is_not_there_is_not_switched_off(ada: Caller) -> None:
    assert refusal(switch_off(ada, "123456")) == INACTIVE
    assert refusal(switch_off(ada, set_up(ada).code())) == INACTIVE


# -- taking a lost one away


def test_an_admin_takes_away_what_a_user_has_lost(
    admin: Caller, ada: Caller, app_of_ada: Authenticator
) -> None:
    answer = admin.delete(f"/auth/users/{ada.id}/totp")
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert enter(ada).status_code == 200
    assert refusal(admin.delete(f"/auth/users/{ada.id}/totp")) == INACTIVE


def test_not_ones_own(admin: Caller) -> None:
    """Or a stolen token would be as good as the app."""
    app = confirmed(admin)
    answer = admin.delete(f"/auth/users/{admin.id}/totp")
    assert refusal(answer) == (403, "own-second-factor")
    assert has_totp(admin)
    assert enter(admin, app.code()).status_code == 200


def test_nobody_else_takes_any_away(
    officer: Caller, admin: Caller, ada: Caller, app_of_ada: Authenticator
) -> None:
    for caller in (officer, ada, key_holder(admin, Role.OFFICER)):
        assert refusal(caller.delete(f"/auth/users/{ada.id}/totp")) == (403, "admin-only")
    assert has_totp(ada)


def test_nor_from_nobody(admin: Caller) -> None:
    absent = "01890000-0000-7000-8000-000000000000"
    assert refusal(admin.delete(f"/auth/users/{absent}/totp")) == (404, "user-not-found")


def reset(app: Flask, email: str) -> Any:
    return app.test_cli_runner().invoke(args=["reset-totp", email])


def test_the_command_line_takes_away_what_was_lost(
    admin: Caller, ada: Caller, app_of_ada: Authenticator
) -> None:
    result = reset(ada.app, "Ada.King@lender.example.com")
    assert result.exit_code == 0, result.output
    assert result.output == "ada.king@lender.example.com logs in with the password alone.\n"
    assert enter(ada).status_code == 200
    (event,) = events(admin, "user.totp_reset")
    assert (event["actor_kind"], event["subject_id"]) == ("console", ada.id)


@pytest.mark.parametrize(
    ("email", "said"),
    [
        ("nobody@lender.example.com", "User not found"),
        ("ada.king@lender.example.com", "There is no second factor"),
    ],
)
def test_the_command_line_says_what_it_cannot_take_away(ada: Caller, email: str, said: str) -> None:
    result = reset(ada.app, email)
    assert (result.exit_code, result.output) == (1, f"Error: {said}.\n")


# -- a new SECRET_KEY


def test_a_secret_sealed_under_a_key_that_is_gone_opens_nothing(
    ada: Caller, app_of_ada: Authenticator, make_app: Callable[..., Flask]
) -> None:
    moved = make_app(SECRET_KEY="another secret of the tests, long enough")
    for otp in (app_of_ada.code(), app_of_ada.recovery_codes[0]):
        assert refusal(log_in(moved, ada.user.email, PASSWORD, otp)) == INVALID
    assert enter(ada, app_of_ada.code()).status_code == 200


def test_the_former_key_opens_what_is_then_sealed_under_the_present_one(
    ada: Caller,
    app_of_ada: Authenticator,
    environ: dict[str, str],
    make_app: Callable[..., Flask],
) -> None:
    moved = {"SECRET_KEY": "another secret of the tests, long enough"}
    moving = make_app(**moved, SECRET_KEY_FORMER=environ["SECRET_KEY"])
    first, second, *_ = app_of_ada.recovery_codes
    assert log_in(moving, ada.user.email, PASSWORD, first).status_code == 200
    for otp in (app_of_ada.code(), second):
        assert log_in(make_app(**moved), ada.user.email, PASSWORD, otp).status_code == 200


# -- on record


def test_every_change_is_on_record_without_secrets(admin: Caller, ada: Caller) -> None:
    app = confirmed(ada)
    enter(ada, app.recovery_codes[0])
    renewed = renew(ada, app.code()).get_json()["recovery_codes"]
    switch_off(ada, renewed[0])
    confirmed(ada)
    admin.delete(f"/auth/users/{ada.id}/totp")
    trail = admin.get(f"/reports/audit?subject_id={ada.id}&page_size=100").get_json()
    told = [(event["action"], event["actor_id"], event["details"]) for event in reversed(trail)]
    assert [each for each in told if "logged_in" not in each[0]] == [
        ("user.totp_prepared", ada.id, {}),
        ("user.totp_enabled", ada.id, {}),
        ("user.recovery_code_used", ada.id, {"left": 9}),
        ("user.recovery_codes_renewed", ada.id, {}),
        ("user.recovery_code_used", ada.id, {"left": 9}),
        ("user.totp_disabled", ada.id, {}),
        ("user.totp_prepared", ada.id, {}),
        ("user.totp_enabled", ada.id, {}),
        ("user.totp_reset", admin.id, {}),
    ]


def test_a_recovery_code_is_on_record_with_where_it_came_from(
    admin: Caller, ada: Caller, app_of_ada: Authenticator
) -> None:
    peer = {"REMOTE_ADDR": "192.0.2.7"}
    enter(ada, app_of_ada.recovery_codes[0], environ_overrides=peer)
    (event,) = events(admin, "user.recovery_code_used")
    assert event["address"] == "192.0.2.7"


def test_what_is_shown_once_is_shown_again_to_its_key_alone(ada: Caller) -> None:
    """Byte for byte, as other answers; what is kept for it cannot be read."""
    headers = {"headers": {"Idempotency-Key": "the first"}}
    body = {"current_password": PASSWORD}
    first, again = (ada.post(TOTP_PATH, body, **headers) for _ in range(2))
    app = Authenticator(created(first)["secret"])
    assert again.get_data() == first.get_data()
    headers = {"headers": {"Idempotency-Key": "the second"}}
    body = {"otp": app.code()}
    first, again = (ada.post(f"{TOTP_PATH}/confirm", body, **headers) for _ in range(2))
    assert first.status_code == 200
    assert again.get_data() == first.get_data()
    kept = execute(ada.app, "SELECT string_agg(answer, '') FROM kept_answers")[0]
    codes = first.get_json()["recovery_codes"]
    assert not [each for each in (app.secret, *codes) if each.encode() in bytes(kept)]


def test_a_wrong_code_is_counted_also_where_its_answer_is_kept(ada: Caller) -> None:
    app = set_up(ada)
    for number in range(ALLOWED):
        headers = {"headers": {"Idempotency-Key": str(number)}}
        answers = [
            ada.post(f"{TOTP_PATH}/confirm", {"otp": app.wrong_code()}, **headers) for _ in range(2)
        ]
        assert {refusal(answer) for answer in answers} == {WRONG_OTP}
    assert refusal(confirm(ada, app.code())) == TOO_MANY


def test_a_key_has_no_second_factor(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    for answer in (prepare(key), confirm(key, "123456"), renew(key, "123456")):
        assert refusal(answer) == (403, "user-only")
    assert refusal(switch_off(key, "123456")) == (403, "user-only")
