"""Users: who sees whom, who changes whom, and how soon it takes effect."""

from collections.abc import Callable
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest

from app.models import Role
from app.services import users
from tests.credentials import execute, is_good, key_holder, log_in, refusal
from tests.factories import Caller, Lender

ABSENT = "01890000-0000-7000-8000-000000000000"


def emails(answer: Any) -> list[str]:
    assert answer.status_code == 200
    return [user["email"] for user in answer.get_json()]


# -- seeing


def test_an_admin_lists_all_users_newest_first(
    admin: Caller, officer: Caller, applicant: Caller
) -> None:
    answer = admin.get("/auth/users")
    assert emails(answer) == [user.user.email for user in (applicant, officer, admin)]
    assert answer.headers["X-Total-Count"] == "3"


def test_a_user_shows_no_password_nor_its_hash(admin: Caller) -> None:
    shown = set(admin.get("/auth/users").get_json()[0])
    assert shown == {
        "id",
        "email",
        "nickname",
        "role",
        "is_active",
        "has_totp",
        "created_at",
        "last_login_at",
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("role=officer", ["zoe@lender.example.com", "bob@lender.example.com"]),
        ("role=admin", ["root@lender.example.com"]),
        ("is_active=false", ["zoe@lender.example.com"]),
        ("is_active=true", ["bob@lender.example.com", "root@lender.example.com"]),
        ("role=officer&is_active=true", ["bob@lender.example.com"]),
        ("q=BOB", ["bob@lender.example.com"]),
        ("q=nick", ["root@lender.example.com"]),
        ("q=%25", []),
        ("q=_", []),
        ("q='", []),
        ("role=applicant", []),
        ("page_size=1&page=2", ["bob@lender.example.com"]),
    ],
)
def test_the_list_can_be_narrowed(lender: Lender, query: str, found: list[str]) -> None:
    admin = lender.user(Role.ADMIN, email="root@lender.example.com")
    admin.patch("/auth/users/me", {"nickname": "Old Nick"})
    lender.user(Role.OFFICER, email="bob@lender.example.com")
    lender.user(Role.OFFICER, email="zoe@lender.example.com", is_active=False)
    assert emails(admin.get(f"/auth/users?{query}")) == found


@pytest.mark.parametrize(
    "query", ["role=root", "is_active=1", "q=", "email=x", "role=admin&role=admin"]
)
def test_a_filter_that_means_nothing_is_invalid(admin: Caller, query: str) -> None:
    assert refusal(admin.get(f"/auth/users?{query}")) == (422, "invalid")


def test_a_user_sees_only_themselves(officer: Caller, admin: Caller) -> None:
    assert officer.get(f"/auth/users/{officer.id}").get_json()["id"] == officer.id
    assert refusal(officer.get(f"/auth/users/{admin.id}")) == (404, "user-not-found")


def test_another_user_reads_like_one_that_is_not_there(officer: Caller, admin: Caller) -> None:
    same = {"X-Request-ID": "same"}
    answers = [officer.get(f"/auth/users/{each}", headers=same) for each in (admin.id, ABSENT)]
    assert answers[0].get_data() == answers[1].get_data()


def test_an_admin_sees_anyone(admin: Caller, officer: Caller) -> None:
    shown = admin.get(f"/auth/users/{officer.id}").get_json()
    assert (shown["id"], shown["email"]) == (officer.id, officer.user.email)


def test_me_is_the_user_behind_the_token(applicant: Caller) -> None:
    assert applicant.get("/auth/users/me").get_json()["email"] == applicant.user.email


def test_a_key_is_no_user(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    change = {"current_password": "x", "new_password": "long enough"}
    assert refusal(key.get("/auth/users/me")) == (403, "user-only")
    assert refusal(key.patch("/auth/users/me", {"nickname": "K"})) == (403, "user-only")
    assert refusal(key.post("/auth/users/me/password", change)) == (403, "user-only")
    assert refusal(key.get(f"/auth/users/{key.record['id']}")) == (404, "user-not-found")


# -- changing


def test_a_user_changes_their_own_nickname(applicant: Caller) -> None:
    assert applicant.patch("/auth/users/me", {"nickname": "Al"}).get_json()["nickname"] == "Al"
    assert applicant.patch("/auth/users/me", {"nickname": None}).get_json()["nickname"] is None


@pytest.mark.parametrize("field", ["role", "is_active", "email", "id", "password"])
def test_a_user_changes_nothing_else_of_themselves(applicant: Caller, field: str) -> None:
    before = applicant.get("/auth/users/me").get_json()
    body = {"nickname": "Al", field: "admin"}
    assert refusal(applicant.patch("/auth/users/me", body)) == (422, "invalid")
    assert applicant.get("/auth/users/me").get_json() == before


@pytest.mark.parametrize("role", [Role.OFFICER, Role.APPLICANT])
def test_nobody_promotes_themselves(lender: Lender, role: Role) -> None:
    user = lender.user(role)
    answer = user.patch(f"/auth/users/{user.id}", {"role": "admin"})
    assert refusal(answer) == (403, "admin-only")
    assert user.get("/auth/users/me").get_json()["role"] == role


def test_an_admin_changes_several_fields_at_once(admin: Caller, officer: Caller) -> None:
    values = {"role": "applicant", "is_active": False, "nickname": "Gone"}
    changed = admin.patch(f"/auth/users/{officer.id}", values).get_json()
    assert {name: changed[name] for name in values} == values


@pytest.mark.parametrize(
    "body",
    [
        {"role": None},
        {"role": "root"},
        {"role": "Admin"},
        {"is_active": None},
        {"is_active": 0},
        {"is_active": "false"},
        {"email": "new@b.example"},
        {"id": ABSENT},
        {"password_hash": "x"},
        {"version": 9},
        {"nickname": "x" * 61},
        {"nickname": ""},
    ],
)
def test_what_cannot_be_changed_is_refused(
    admin: Caller, officer: Caller, body: dict[str, Any]
) -> None:
    assert refusal(admin.patch(f"/auth/users/{officer.id}", body)) == (422, "invalid")


def test_a_user_that_is_not_there_cannot_be_changed(admin: Caller) -> None:
    answer = admin.patch(f"/auth/users/{uuid4()}", {"nickname": "x"})
    assert refusal(answer) == (404, "user-not-found")


def test_a_promotion_takes_effect_on_the_next_request(admin: Caller, applicant: Caller) -> None:
    assert refusal(applicant.get("/auth/users")) == (403, "admin-only")
    admin.patch(f"/auth/users/{applicant.id}", {"role": "admin"})
    assert applicant.get("/auth/users").status_code == 200


def test_a_demotion_takes_effect_on_the_next_request(lender: Lender, admin: Caller) -> None:
    other = lender.user(Role.ADMIN)
    admin.patch(f"/auth/users/{other.id}", {"role": "applicant"})
    assert refusal(other.get("/auth/users")) == (403, "admin-only")
    assert other.get("/customers/").get_json() == []


def test_a_demoted_user_loses_sight_of_others_records(
    admin: Caller, officer: Caller, loan: dict[str, Any]
) -> None:
    assert officer.get(f"/loans/{loan['id']}").status_code == 200
    admin.patch(f"/auth/users/{officer.id}", {"role": "applicant"})
    assert refusal(officer.get(f"/loans/{loan['id']}")) == (404, "loan-not-found")


def test_a_deactivation_takes_effect_on_the_next_request(admin: Caller, officer: Caller) -> None:
    admin.patch(f"/auth/users/{officer.id}", {"is_active": False})
    assert refusal(officer.get("/auth/users/me")) == (401, "unauthenticated")
    assert refusal(log_in(officer.app, officer.user.email)) == (401, "invalid-credentials")


def test_a_reactivated_user_logs_in_again(admin: Caller, officer: Caller) -> None:
    for active in (False, True):
        admin.patch(f"/auth/users/{officer.id}", {"is_active": active})
    assert log_in(officer.app, officer.user.email).status_code == 200


# -- the last admin


@pytest.mark.parametrize("body", [{"role": "officer"}, {"role": "applicant"}, {"is_active": False}])
def test_the_last_active_admin_stays(lender: Lender, admin: Caller, body: dict[str, Any]) -> None:
    lender.user(Role.ADMIN, is_active=False)
    assert refusal(admin.patch(f"/auth/users/{admin.id}", body)) == (409, "last-admin")
    assert admin.get("/auth/users").status_code == 200


def test_the_last_admin_may_change_their_nickname(admin: Caller) -> None:
    assert admin.patch(f"/auth/users/{admin.id}", {"nickname": "R"}).status_code == 200
    assert admin.patch(f"/auth/users/{admin.id}", {"role": "admin"}).status_code == 200


def test_an_admin_who_is_not_the_last_may_step_down(lender: Lender, admin: Caller) -> None:
    lender.user(Role.ADMIN)
    assert admin.patch(f"/auth/users/{admin.id}", {"role": "officer"}).status_code == 200
    assert refusal(admin.get("/auth/users")) == (403, "admin-only")


def test_of_two_admins_who_demote_each_other_at_once_one_stays(
    lender: Lender, in_parallel: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, both_are_in = users._lock_active_admins, Barrier(2)

    def lock_when_both_are_in() -> Any:
        both_are_in.wait(10)
        return lock()

    monkeypatch.setattr(users, "_lock_active_admins", lock_when_both_are_in)
    for body in ({"role": "officer"}, {"is_active": False}) * 3:
        one, other = lender.user(Role.ADMIN), lender.user(Role.ADMIN)
        answers = in_parallel(
            lambda a=one, b=other, body=body: a.patch(f"/auth/users/{b.id}", body),
            lambda a=one, b=other, body=body: b.patch(f"/auth/users/{a.id}", body),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        query = "SELECT count(*) FROM users WHERE role = 'admin' AND is_active"
        assert execute(one.app, query) == (1,)
        execute(one.app, "UPDATE users SET role = 'officer'")


# -- versions


def test_a_change_on_a_stale_version_is_refused(admin: Caller, officer: Caller) -> None:
    path = f"/auth/users/{officer.id}"
    stale = admin.get(path).headers["ETag"]
    fresh = admin.patch(path, {"nickname": "One"}).headers["ETag"]
    answer = admin.patch(path, {"nickname": "Two"}, headers={"If-Match": stale})
    assert refusal(answer) == (412, "stale")
    assert admin.get(path).get_json()["nickname"] == "One"
    answer = admin.patch(path, {"nickname": "Two"}, headers={"If-Match": fresh})
    assert (answer.status_code, answer.get_json()["nickname"]) == (200, "Two")


def test_ones_own_record_has_a_version_too(applicant: Caller) -> None:
    seen = applicant.get("/auth/users/me").headers["ETag"]
    assert applicant.get(f"/auth/users/{applicant.id}").headers["ETag"] == seen
    applicant.patch("/auth/users/me", {"nickname": "One"}, headers={"If-Match": seen})
    answer = applicant.patch("/auth/users/me", {"nickname": "Two"}, headers={"If-Match": seen})
    assert refusal(answer) == (412, "stale")


def test_a_log_in_makes_a_new_version(admin: Caller, officer: Caller) -> None:
    path = f"/auth/users/{officer.id}"
    before = admin.get(path).headers["ETag"]
    log_in(officer.app, officer.user.email)
    assert admin.get(path).headers["ETag"] != before


def test_an_unchanged_user_is_not_sent_again(admin: Caller) -> None:
    seen = admin.get("/auth/users/me").headers["ETag"]
    assert admin.get("/auth/users/me", headers={"If-None-Match": seen}).status_code == 304


def test_of_two_changes_of_one_version_at_once_one_is_refused(
    admin: Caller, officer: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    path = f"/auth/users/{officer.id}"
    seen = {"If-Match": admin.get(path).headers["ETag"]}
    answers = in_parallel(
        *(lambda n=name: admin.patch(path, {"nickname": n}, headers=seen) for name in "abcdefgh")
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


def test_a_change_of_a_user_is_on_record(admin: Caller, officer: Caller) -> None:
    admin.patch(f"/auth/users/{officer.id}", {"role": "applicant", "nickname": "Secret"})
    (event,) = admin.get("/reports/audit?action=user.changed").get_json()
    assert (event["actor_id"], event["subject_id"]) == (admin.id, officer.id)
    assert event["details"] == {"fields": ["nickname", "role"]}


def test_disabling_one_user_leaves_the_others_in(admin: Caller, officer: Caller) -> None:
    admin.patch(f"/auth/users/{officer.id}", {"is_active": False})
    assert is_good(admin)
