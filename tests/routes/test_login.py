"""Log-in: one answer to every failure, few guesses, and hashes that keep up."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from flask import Flask
from sqlalchemy import Engine, event

from app.models import Role
from app.services import passwords
from tests.credentials import (
    claims_of,
    execute,
    holders,
    is_good,
    log_in,
    others_fail_meanwhile,
    refusal,
)
from tests.factories import PASSWORD, Caller, Lender

ALLOWED = 10
WINDOW = 15 * 60
PACE = WINDOW // ALLOWED  # after so many seconds one more guess is free
OF_STRANGERS = 3 * ALLOWED
WRONG = "not the password"
TOO_MANY = (429, "too-many")
INVALID = (401, "invalid-credentials")


@pytest.fixture
def ada(lender: Lender) -> Caller:
    return lender.user(Role.OFFICER, email="ada.king@lender.example.com")


def guess(caller: Caller, email: str | None = None, times: int = 1, **kwargs: Any) -> Any:
    """Send wrong passwords; the last answer."""
    for _ in range(times):
        answer = log_in(caller.app, email or caller.user.email, WRONG, **kwargs)
    return answer


def test_a_log_in_answers_a_pair_of_tokens(ada: Caller) -> None:
    response = log_in(ada.app, ada.user.email)
    pair = response.get_json()
    assert response.status_code == 200
    assert pair == {
        "access_token": pair["access_token"],
        "refresh_token": pair["refresh_token"],
        "token_type": "Bearer",
        "expires_in": 900,
    }
    assert response.headers["Cache-Control"] == "no-store"


def test_the_life_of_an_access_token_is_configurable(
    ada: Caller, make_app: Callable[..., Flask]
) -> None:
    pair = log_in(make_app(ACCESS_TOKEN_MINUTES="7"), ada.user.email).get_json()
    claims = claims_of(pair["access_token"])
    assert pair["expires_in"] == claims["exp"] - claims["iat"] == 7 * 60


def test_a_log_in_is_noted_on_the_user(ada: Caller) -> None:
    before = ada.get("/auth/users/me").get_json()["last_login_at"]
    log_in(ada.app, ada.user.email)
    assert ada.get("/auth/users/me").get_json()["last_login_at"] > before


@pytest.mark.parametrize(
    ("peer", "recorded"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("", None),
    ],
)
def test_a_log_in_is_on_record_with_the_peers_address(
    admin: Caller, peer: str, recorded: str | None
) -> None:
    log_in(admin.app, admin.user.email, environ_overrides={"REMOTE_ADDR": peer})
    event = admin.get("/reports/audit?action=user.logged_in").get_json()[0]
    assert (event["subject_id"], event["address"]) == (admin.id, recorded)


def test_the_case_of_the_e_mail_does_not_matter(ada: Caller) -> None:
    assert log_in(ada.app, "ADA.King@Lender.EXAMPLE.com").status_code == 200


def test_each_log_in_opens_a_session_of_its_own(ada: Caller) -> None:
    tokens = [log_in(ada.app, ada.user.email).get_json()["access_token"] for _ in range(2)]
    assert claims_of(tokens[0])["sid"] != claims_of(tokens[1])["sid"]


@pytest.mark.parametrize(
    "body",
    [
        {"email": "a@b.example"},
        {"password": "x"},
        {"email": None, "password": "x"},
        {"email": "a@b.example", "password": "x" * 1025},
        {"email": "a" * 255, "password": "x"},
        {"email": "a\0@b.example", "password": "x"},
        {"email": "a@b.example", "password": "x", "role": "admin"},
    ],
)
def test_a_body_that_is_no_log_in_is_invalid(anyone: Caller, body: dict[str, Any]) -> None:
    assert refusal(anyone.post("/auth/login", body)) == (422, "invalid")


# -- unknown, wrong and disabled are one


@pytest.fixture
def failures(ada: Caller, lender: Lender) -> list[tuple[str, str]]:
    """An unknown e-mail, a wrong password, and a disabled user with the right one."""
    disabled = lender.user(Role.ADMIN, is_active=False)
    return [
        ("nobody@lender.example.com", PASSWORD),
        (ada.user.email, WRONG),
        (disabled.user.email, PASSWORD),
        (disabled.user.email, WRONG),
    ]


def test_every_failure_has_one_body_and_one_set_of_headers(
    anyone: Caller, failures: list[tuple[str, str]]
) -> None:
    answers = set()
    for email, password in failures:
        answer = log_in(anyone.app, email, password, headers={"X-Request-ID": "same"})
        assert refusal(answer) == INVALID
        answers.add((answer.get_data(), tuple(sorted(answer.headers))))
    assert len(answers) == 1
    assert b'"Invalid Credentials"' in answers.pop()[0]


def test_every_failure_costs_the_same_hashes_and_statements(
    anyone: Caller, failures: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(anyone.app, "warm@lender.example.com")  # nobody's hash is made once, for all
    work = []
    for email, password in failures:
        with worked(monkeypatch) as done:
            log_in(anyone.app, email, password)
        work.append(done)
    assert [kind for kind, _ in work[0] if kind != "sql"] == ["verify"]
    assert all(done == work[0] for done in work)


@contextmanager
def worked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, object]]]:
    """What takes time: every hash with its cost, every statement."""
    done: list[tuple[str, object]] = []
    hashing, verifying = PasswordHasher.hash, PasswordHasher.verify

    def hashes(self: PasswordHasher, *args: Any, **kwargs: Any) -> str:
        done.append(("hash", (self.time_cost, self.memory_cost)))
        return hashing(self, *args, **kwargs)

    def verifies(self: PasswordHasher, made: str, password: str) -> bool:
        done.append(("verify", extract_parameters(made)))
        return verifying(self, made, password)

    def executes(_: Any, __: Any, statement: str, *___: Any) -> None:
        done.append(("sql", statement))

    event.listen(Engine, "before_cursor_execute", executes)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(PasswordHasher, "hash", hashes)
            patch.setattr(PasswordHasher, "verify", verifies)
            yield done
    finally:
        event.remove(Engine, "before_cursor_execute", executes)


# -- few guesses


@pytest.mark.parametrize("email", ["ada.king@lender.example.com", "nobody@lender.example.com"])
def test_repeated_failures_are_refused_for_a_while(ada: Caller, email: str) -> None:
    assert [refusal(guess(ada, email)) for _ in range(ALLOWED)] == [INVALID] * ALLOWED
    answer = guess(ada, email)
    assert refusal(answer) == TOO_MANY
    assert PACE - 10 < int(answer.headers["Retry-After"]) <= PACE


def test_the_refusal_of_an_unknown_e_mail_reads_like_that_of_a_known_one(ada: Caller) -> None:
    answers = []
    for email in (ada.user.email, "nobody@lender.example.com"):
        answer = guess(ada, email, ALLOWED + 1, headers={"X-Request-ID": "same"})
        answers.append((answer.get_data(), sorted(answer.headers.keys())))
    assert answers[0] == answers[1]


def test_the_right_password_is_not_looked_at_after_too_many_wrong_ones(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess(ada, times=ALLOWED)
    monkeypatch.setattr(passwords, "matches", lambda *_: pytest.fail("looked at"))
    assert refusal(log_in(ada.app, ada.user.email)) == TOO_MANY


def at(address: str) -> dict[str, Any]:
    """A request from there, whatever its headers say."""
    return {"environ_overrides": {"REMOTE_ADDR": address}}


def test_forged_headers_buy_no_guesses(ada: Caller) -> None:
    answers = [
        guess(ada, headers={"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.1.0.{n}"})
        for n in range(ALLOWED + 5)
    ]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED + [429] * 5


@pytest.mark.parametrize("email", ["ada.king@lender.example.com", "nobody@lender.example.com"])
def test_changing_addresses_buy_few_guesses(ada: Caller, email: str) -> None:
    answers = [guess(ada, email, **at(f"192.0.2.{n}")) for n in range(OF_STRANGERS + 10)]
    assert [answer.status_code for answer in answers] == [401] * OF_STRANGERS + [429] * 10


def test_addresses_of_one_network_of_ipv6_are_one_place(ada: Caller) -> None:
    answers = [guess(ada, **at(f"2001:db8::{n:x}")) for n in range(ALLOWED + 5)]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED + [429] * 5
    assert refusal(guess(ada, **at("2001:db8:0:1::1"))) == INVALID


def test_an_address_of_ipv4_in_the_form_of_ipv6_is_the_same_place(ada: Caller) -> None:
    forms = ("192.0.2.1", "::ffff:192.0.2.1", "::FFFF:c000:201")
    answers = [guess(ada, **at(forms[n % len(forms)])) for n in range(ALLOWED + 1)]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED + [429]
    assert refusal(guess(ada, **at("::ffff:192.0.2.2"))) == INVALID


def test_one_stranger_locks_out_nobody_elsewhere(ada: Caller) -> None:
    assert refusal(guess(ada, times=100)) == TOO_MANY
    assert log_in(ada.app, ada.user.email, **at("192.0.2.7")).status_code == 200


def test_strangers_together_do_not_lock_out_where_one_has_logged_in_before(ada: Caller) -> None:
    home = at("198.51.100.7")
    assert log_in(ada.app, ada.user.email, **home).status_code == 200
    for n in range(OF_STRANGERS + 1):
        answer = guess(ada, **at(f"192.0.2.{n}"))
    assert refusal(answer) == TOO_MANY
    assert refusal(log_in(ada.app, ada.user.email, **at("203.0.113.9"))) == TOO_MANY
    assert log_in(ada.app, ada.user.email, **home).status_code == 200


def test_ones_own_log_in_forgives_no_strangers(ada: Caller) -> None:
    home = at("198.51.100.7")
    log_in(ada.app, ada.user.email, **home)
    for n in range(OF_STRANGERS):
        guess(ada, **at(f"192.0.2.{n}"))
    log_in(ada.app, ada.user.email, **home)
    assert refusal(guess(ada, **at("192.0.2.99"))) == TOO_MANY


def test_guesses_are_few_where_one_has_logged_in_before_as_well(ada: Caller) -> None:
    home = at("198.51.100.7")
    log_in(ada.app, ada.user.email, **home)
    answers = [guess(ada, **home) for _ in range(ALLOWED + 1)]
    assert [answer.status_code for answer in answers] == [401] * ALLOWED + [429]


def test_a_place_is_known_to_the_e_mail_that_logged_in_there_alone(
    ada: Caller, officer: Caller
) -> None:
    log_in(officer.app, officer.user.email, **at("198.51.100.7"))
    for n in range(OF_STRANGERS):
        guess(ada, **at(f"192.0.2.{n}"))
    assert refusal(log_in(ada.app, ada.user.email, **at("198.51.100.7"))) == TOO_MANY


def test_a_place_is_forgotten_after_a_while(ada: Caller) -> None:
    log_in(ada.app, ada.user.email, **at("198.51.100.7"))
    execute(ada.app, "UPDATE known_places SET known_until = now()")
    for n in range(OF_STRANGERS):
        guess(ada, **at(f"192.0.2.{n}"))
    assert refusal(log_in(ada.app, ada.user.email, **at("198.51.100.7"))) == TOO_MANY


def test_a_failed_log_in_makes_no_place_known(ada: Caller) -> None:
    guess(ada, **at("198.51.100.7"))
    assert execute(ada.app, "SELECT count(*) FROM known_places") == (0,)


def test_neither_e_mail_nor_address_is_kept_of_a_place(ada: Caller) -> None:
    log_in(ada.app, ada.user.email, **at("198.51.100.7"))
    (digest, _) = execute(ada.app, "SELECT * FROM known_places")
    assert len(digest) == 32


def test_guesses_come_back_one_at_a_time(ada: Caller) -> None:
    guess(ada, times=ALLOWED + 1)
    later = (
        "UPDATE login_failures SET window_ends_at = window_ends_at - :pace * interval '1 second'"
    )
    execute(ada.app, later, pace=PACE)
    assert [refusal(guess(ada)) for _ in range(2)] == [INVALID, TOO_MANY]


def test_other_spellings_of_an_e_mail_buy_no_guesses(ada: Caller) -> None:
    # PostgreSQL lowers the dotted capital I to a plain i: each of these finds the same user.
    spellings = [f"{name}@lender.example.com" for name in ("ada.king", "ADA.KING", "ada.kİng")]
    assert all(log_in(ada.app, spelling).status_code == 200 for spelling in spellings)
    answers = [guess(ada, spelling) for spelling in spellings * ALLOWED]
    assert [answer.status_code for answer in answers].count(401) == ALLOWED


def test_one_users_failures_are_no_others(ada: Caller, officer: Caller) -> None:
    guess(ada, times=ALLOWED + 1)
    assert log_in(ada.app, officer.user.email).status_code == 200


def test_failures_end_no_session(ada: Caller) -> None:
    guess(ada, times=ALLOWED + 1)
    assert is_good(ada)


def test_the_right_password_forgives_the_wrong_ones_before(ada: Caller) -> None:
    guess(ada, times=ALLOWED - 1)
    assert log_in(ada.app, ada.user.email).status_code == 200
    assert refusal(guess(ada, times=ALLOWED)) == INVALID


def test_when_the_window_is_over_guesses_are_free_again(ada: Caller) -> None:
    guess(ada, times=ALLOWED + 1)
    execute(ada.app, "UPDATE login_failures SET window_ends_at = now()")
    assert refusal(guess(ada)) == INVALID
    assert execute(ada.app, "SELECT failures FROM login_failures") == (1,)
    assert log_in(ada.app, ada.user.email).status_code == 200


def test_refused_attempts_do_not_lengthen_the_window(ada: Caller) -> None:
    guess(ada, times=ALLOWED)
    ends = "SELECT min(window_ends_at), max(window_ends_at), sum(failures) FROM login_failures"
    before = execute(ada.app, ends)
    guess(ada, times=5)
    assert execute(ada.app, ends) == before


def test_the_share_of_failures_is_configurable(ada: Caller, make_app: Callable[..., Flask]) -> None:
    app = make_app(LOGIN_FAILURES_ALLOWED="2", LOGIN_FAILURE_WINDOW_MINUTES="1")
    answers = [log_in(app, ada.user.email, WRONG) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert 20 < int(answers[2].headers["Retry-After"]) <= 30


def test_limits_can_be_turned_off(ada: Caller, make_app: Callable[..., Flask]) -> None:
    app = make_app(RATELIMIT_ENABLED="false")
    answers = [log_in(app, ada.user.email, WRONG) for _ in range(ALLOWED + 5)]
    assert {answer.status_code for answer in answers} == {401}
    assert log_in(app, ada.user.email).status_code == 200


def test_guesses_sent_at_once_are_no_more_than_guesses_in_turn(
    ada: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    answers = in_parallel(*[lambda: guess(ada)] * 30)
    assert sorted(answer.status_code for answer in answers) == [401] * ALLOWED + [429] * 20


def test_a_right_guess_among_too_many_sent_at_once_does_not_succeed(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = execute(ada.app, "SELECT count(*) FROM login_sessions")
    others_fail_meanwhile(monkeypatch, ada, ALLOWED)
    assert refusal(log_in(ada.app, ada.user.email)) == TOO_MANY
    assert execute(ada.app, "SELECT count(*) FROM login_sessions") == sessions
    assert execute(ada.app, "SELECT failures FROM login_failures") == (ALLOWED,)


# -- what happens while a password is matched


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Let something happen once, after a password was matched and before that is acted on."""
    matching = passwords.matches

    def matches(*args: Any) -> bool:
        matched = matching(*args)
        monkeypatch.setattr(passwords, "matches", matching)
        with ThreadPoolExecutor(1) as another:  # for a session of its own
            assert another.submit(happens).result().status_code < 300
        return matched

    monkeypatch.setattr(passwords, "matches", matches)


def test_a_password_replaced_while_it_was_matched_opens_nothing(
    ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"current_password": PASSWORD, "new_password": "another horse battery"}
    meanwhile(monkeypatch, lambda: ada.post("/auth/users/me/password", change))
    assert refusal(log_in(ada.app, ada.user.email)) == INVALID
    assert execute(ada.app, "SELECT count(*) FROM login_sessions") == (1,)


def test_a_user_disabled_while_the_password_was_matched_opens_nothing(
    ada: Caller, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable = {"is_active": False}
    meanwhile(monkeypatch, lambda: admin.patch(f"/auth/users/{ada.id}", disable))
    assert refusal(log_in(ada.app, ada.user.email)) == INVALID


def test_a_log_in_that_waits_for_a_password_change_is_judged_by_the_new_one(
    ada: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    change = {"current_password": PASSWORD, "new_password": "another horse battery"}
    calls = [lambda: log_in(ada.app, ada.user.email)] * 6
    *answers, changed = in_parallel(*calls, lambda: ada.post("/auth/users/me/password", change))
    assert changed.status_code == 204
    pairs = [answer.get_json() for answer in answers if answer.status_code == 200]
    assert not any(is_good(holders(ada, pair)[0]) for pair in pairs)
    assert is_good(ada)


# -- hashes that keep up


def stored_cost(caller: Caller) -> int:
    (made,) = execute(
        caller.app, "SELECT password_hash FROM users WHERE id = :id", id=caller.user.id
    )
    return extract_parameters(made).time_cost


def test_a_log_in_hashes_anew_when_the_cost_has_risen(
    ada: Caller, make_app: Callable[..., Flask]
) -> None:
    costlier = make_app(ARGON2_TIME_COST="2")
    assert log_in(costlier, ada.user.email).status_code == 200
    assert stored_cost(ada) == 2
    assert log_in(costlier, ada.user.email).status_code == 200


def test_a_failed_log_in_leaves_the_old_hash(ada: Caller, make_app: Callable[..., Flask]) -> None:
    log_in(make_app(ARGON2_TIME_COST="2"), ada.user.email, WRONG)
    assert stored_cost(ada) == 1


def test_a_log_in_at_the_present_cost_leaves_the_hash(ada: Caller) -> None:
    (before,) = execute(ada.app, "SELECT password_hash FROM users")
    log_in(ada.app, ada.user.email)
    assert execute(ada.app, "SELECT password_hash FROM users") == (before,)


def test_two_log_ins_that_both_hash_anew_both_succeed(
    ada: Caller,
    make_app: Callable[..., Flask],
    in_parallel: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both, outdated = Barrier(2), passwords.outdated

    def both_outdated(made: str) -> bool:
        if not outdated(made):
            return False
        both.wait(10)
        return True

    costlier = make_app(ARGON2_TIME_COST="2")
    monkeypatch.setattr(passwords, "outdated", both_outdated)
    answers = in_parallel(*[lambda: log_in(costlier, ada.user.email)] * 2)
    assert [answer.status_code for answer in answers] == [200, 200]
