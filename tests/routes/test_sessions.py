"""Sessions: renewed by refresh tokens that work once, ended at once and for good."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import jwt
import pytest
from flask import Flask

from app.models import Role
from tests.credentials import (
    bearer,
    claims_of,
    execute,
    holders,
    is_good,
    key_holder,
    log_in,
    refusal,
    session_of,
)
from tests.factories import Caller, Lender

ENDED = (401, "unauthenticated")
DAYS_30 = 30 * 24 * 3600


def refresh(holder: Caller) -> Any:
    return holder.post("/auth/refresh")


def renewed(holder: Caller) -> tuple[Caller, Caller]:
    response = refresh(holder)
    assert response.status_code == 200, response.get_data(as_text=True)
    return holders(holder, response.get_json())


def is_over(holder: Caller) -> bool:
    """Whether the holder's session is on record as ended."""
    session_id = claims_of(holder.token)["sid"]
    query = "SELECT ended_at IS NOT NULL FROM login_sessions WHERE id = :id"
    return bool(execute(holder.app, query, id=session_id)[0])


# -- what a token says


def test_a_token_names_user_and_session_and_nothing_personal(officer: Caller) -> None:
    claims = claims_of(officer.token)
    assert claims == {
        "iss": "loan-service",
        "aud": "loan-service-clients",
        "sub": officer.id,
        "type": "access",
        **{name: claims[name] for name in ("sid", "jti", "iat", "nbf", "exp", "fresh", "csrf")},
    }
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_a_token_is_signed_by_a_named_key_and_one_algorithm(officer: Caller) -> None:
    header = jwt.get_unverified_header(officer.token)
    assert header == {"alg": "HS256", "typ": "JWT", "kid": "1"}


def test_a_refresh_token_lives_thirty_days(officer: Caller) -> None:
    claims = claims_of(officer.refresh_token)
    assert (claims["type"], claims["exp"] - claims["iat"]) == ("refresh", DAYS_30)


def test_the_tokens_of_a_pair_name_one_session(officer: Caller) -> None:
    assert claims_of(officer.token)["sid"] == claims_of(officer.refresh_token)["sid"]


# -- refresh


def test_a_refresh_answers_a_new_pair(officer: Caller) -> None:
    _, holder = session_of(officer)
    pair = refresh(holder).get_json()
    assert sorted(pair) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert pair["refresh_token"] != holder.token
    assert all(
        is_good(access)
        for access in (holders(holder, pair)[0], renewed(bearer(holder, pair["refresh_token"]))[0])
    )


def test_the_access_token_before_a_refresh_stays_good(officer: Caller) -> None:
    access, holder = session_of(officer)
    refresh(holder)
    assert is_good(access)


def test_a_refresh_prolongs_the_session(officer: Caller) -> None:
    _, holder = session_of(officer)
    soon = datetime.now().astimezone() + timedelta(minutes=1)
    execute(officer.app, "UPDATE login_sessions SET expires_at = :soon", soon=soon)
    refresh(holder)
    query = "SELECT expires_at > :soon FROM login_sessions WHERE id = :id"
    session_id = claims_of(holder.token)["sid"]
    assert execute(officer.app, query, soon=soon, id=session_id) == (True,)


def test_a_refresh_token_that_comes_back_ends_the_whole_session(officer: Caller) -> None:
    access, holder = session_of(officer)
    newer_access, newer_holder = renewed(holder)
    assert refusal(refresh(holder)) == ENDED
    assert is_over(holder)
    assert not is_good(access)
    assert not is_good(newer_access)
    assert refusal(refresh(newer_holder)) == ENDED


def test_a_refresh_token_from_two_renewals_ago_ends_the_session_too(officer: Caller) -> None:
    _, holder = session_of(officer)
    access, _ = renewed(renewed(holder)[1])
    assert refusal(refresh(holder)) == ENDED
    assert not is_good(access)


def test_a_stolen_refresh_token_costs_the_users_other_sessions_nothing(officer: Caller) -> None:
    _, holder = session_of(officer)
    renewed(holder)
    refresh(holder)
    assert is_good(officer)


def test_of_one_refresh_token_sent_twenty_times_at_once_one_successor_comes(
    officer: Caller, make_app: Callable[..., Flask], in_parallel: Callable[..., list[Any]]
) -> None:
    app = make_app(DATABASE_POOL_SIZE="20")
    for _ in range(4):
        access, holder = session_of(officer)
        many = Caller(app, holder.headers)
        answers = in_parallel(*[partial(refresh, many)] * 20)
        pairs = [answer.get_json() for answer in answers if answer.status_code == 200]
        assert len(pairs) == 1
        assert [refusal(each) for each in answers if each.status_code != 200] == [ENDED] * 19
        assert is_over(holder)
        newer_access, newer_holder = holders(holder, pairs[0])
        assert not is_good(access)
        assert not is_good(newer_access)
        assert refusal(refresh(newer_holder)) == ENDED


def test_a_refresh_takes_no_access_token(officer: Caller) -> None:
    assert refusal(refresh(officer)) == ENDED


def test_a_refresh_token_opens_nothing_else(officer: Caller) -> None:
    _, holder = session_of(officer)
    assert not is_good(holder)


def test_a_refresh_takes_no_api_key(admin: Caller) -> None:
    assert refusal(refresh(key_holder(admin, Role.OFFICER))) == ENDED


def test_a_refresh_without_a_token_is_refused(anyone: Caller) -> None:
    assert refusal(refresh(anyone)) == ENDED


# -- the end


def test_a_session_ends_with_its_time(officer: Caller) -> None:
    access, holder = session_of(officer)
    execute(officer.app, "UPDATE login_sessions SET expires_at = now()")
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED


def test_a_session_ends_with_its_row(officer: Caller) -> None:
    access, holder = session_of(officer)
    execute(officer.app, "DELETE FROM login_sessions")
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED


@pytest.mark.parametrize("which", [0, 1], ids=["access", "refresh"])
def test_either_token_logs_out(officer: Caller, which: int) -> None:
    holding = session_of(officer)
    response = holding[which].post("/auth/logout")
    assert (response.status_code, response.get_data()) == (204, b"")
    access, holder = holding
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED
    assert refusal(holding[which].post("/auth/logout")) == ENDED


def test_logging_out_leaves_the_users_other_sessions(officer: Caller) -> None:
    access, _ = session_of(officer)
    access.post("/auth/logout")
    assert is_good(officer)


def test_a_refresh_token_that_was_traded_still_logs_out(officer: Caller) -> None:
    _, holder = session_of(officer)
    newer_access, _ = renewed(holder)
    assert holder.post("/auth/logout").status_code == 204
    assert not is_good(newer_access)


def test_an_api_key_has_no_session_to_end(admin: Caller) -> None:
    assert refusal(key_holder(admin, Role.OFFICER).post("/auth/logout")) == (403, "user-only")


def test_logging_out_takes_a_credential(anyone: Caller) -> None:
    assert refusal(anyone.post("/auth/logout")) == ENDED


def test_a_log_out_beats_a_refresh_sent_at_once_or_ends_its_successor(
    officer: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    for _ in range(5):
        access, holder = session_of(officer)
        refreshed, gone = in_parallel(
            lambda h=holder: refresh(h), lambda a=access: a.post("/auth/logout")
        )
        assert gone.status_code == 204
        if refreshed.status_code == 200:
            newer_access, newer_holder = holders(holder, refreshed.get_json())
            assert not is_good(newer_access)
            assert refusal(refresh(newer_holder)) == ENDED


def test_a_deactivated_users_session_is_over_for_good(admin: Caller, officer: Caller) -> None:
    access, holder = session_of(officer)
    admin.patch(f"/auth/users/{officer.id}", {"is_active": False})
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED
    admin.patch(f"/auth/users/{officer.id}", {"is_active": True})
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED


def test_an_inactive_user_has_no_session_whatever_its_row_says(officer: Caller) -> None:
    access, holder = session_of(officer)
    execute(officer.app, "UPDATE users SET is_active = false")
    assert not is_good(access)
    assert refusal(refresh(holder)) == ENDED


def test_a_deactivation_beats_a_refresh_sent_at_once_or_ends_its_successor(
    lender: Lender, admin: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    for _ in range(5):
        officer = lender.user(Role.OFFICER)
        _, holder = session_of(officer)
        refreshed, changed = in_parallel(
            lambda h=holder: refresh(h),
            lambda o=officer: admin.patch(f"/auth/users/{o.id}", {"is_active": False}),
        )
        assert changed.status_code == 200
        assert is_over(holder)
        if refreshed.status_code == 200:
            assert not is_good(holders(holder, refreshed.get_json())[0])


def test_a_deactivation_beats_a_log_in_sent_at_once_or_ends_its_session(
    lender: Lender, admin: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    for _ in range(5):
        officer = lender.user(Role.OFFICER)
        admitted, changed = in_parallel(
            lambda o=officer: log_in(o.app, o.user.email),
            lambda o=officer: admin.patch(f"/auth/users/{o.id}", {"is_active": False}),
        )
        assert changed.status_code == 200
        if admitted.status_code == 200:
            assert is_over(holders(officer, admitted.get_json())[0])


def test_the_end_of_a_session_is_on_the_record(admin: Caller, lender: Lender) -> None:
    other = lender.user(Role.OFFICER)
    _, holder = session_of(other)
    assert holder.post("/auth/refresh").status_code == 200
    assert holder.post("/auth/refresh").status_code == 401
    assert lender.user(Role.OFFICER).post("/auth/logout").status_code == 204
    told = {event["action"] for event in admin.get("/reports/audit").json}
    assert {"session.refresh_reused", "session.ended"} <= told


def test_what_has_had_its_time_is_forgotten(app: Flask, admin: Caller) -> None:
    log_in(app, "nobody@example.com", "wrong")
    runner = app.test_cli_runner()
    assert runner.invoke(args=["forget-expired"]).output == "0 rows deleted.\n"
    execute(app, "UPDATE login_failures SET window_ends_at = now()")
    assert runner.invoke(args=["forget-expired"]).output == "2 rows deleted.\n"
    assert admin.get("/auth/users/me").status_code == 200
