"""API keys: shown once, kept as a hash, never an admin's, gone when revoked."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from app.models import Role
from tests.credentials import execute, is_good, key_holder, refusal
from tests.factories import Caller, Lender, created

REVOKED = (401, "unauthenticated")


def make(admin: Caller, **values: Any) -> Any:
    return admin.post("/auth/api-keys", {"name": "nightly job", "role": "officer", **values})


def test_a_new_key_is_shown_with_its_record(admin: Caller) -> None:
    made = created(make(admin))
    assert made == {
        "key": made["key"],
        "id": made["id"],
        "name": "nightly job",
        "prefix": made["key"][:11],
        "role": "officer",
        "created_at": made["created_at"],
        "expires_at": None,
        "last_used_at": None,
    }
    assert len(made["key"]) >= 43


def test_a_key_is_shown_once(admin: Caller) -> None:
    made = created(make(admin))
    answer = admin.get("/auth/api-keys")
    assert made["key"] not in answer.get_data(as_text=True)
    assert answer.get_json() == [{name: made[name] for name in made if name != "key"}]


def test_a_key_is_stored_as_its_hash_alone(admin: Caller) -> None:
    key = created(make(admin))["key"]
    digest, row = execute(admin.app, "SELECT digest, api_keys::text FROM api_keys")
    assert bytes(digest) == sha256(key.encode()).digest()
    assert key not in row
    assert key[12:] not in row


def test_no_two_keys_are_alike(admin: Caller) -> None:
    assert len({created(make(admin))["key"] for _ in range(5)}) == 5


def test_keys_are_listed_newest_first_by_pages(admin: Caller) -> None:
    names = ["first", "second", "third"]
    for name in names:
        make(admin, name=name)
    answer = admin.get("/auth/api-keys?page_size=2")
    assert [key["name"] for key in answer.get_json()] == ["third", "second"]
    assert answer.headers["X-Total-Count"] == "3"


@pytest.mark.parametrize(
    "values",
    [
        {"role": "admin"},
        {"role": None},
        {"role": "root"},
        {"name": ""},
        {"name": "x" * 61},
        {"name": None},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"expires_at": "2999-01-01"},
        {"key": "lk_chosen"},
        {"id": str(uuid4())},
        {"created_by": str(uuid4())},
    ],
)
def test_what_makes_no_key_is_invalid(admin: Caller, values: dict[str, Any]) -> None:
    assert refusal(make(admin, **values)) == (422, "invalid")
    assert execute(admin.app, "SELECT count(*) FROM api_keys") == (0,)


@pytest.mark.parametrize("missing", ["name", "role"])
def test_a_key_needs_a_name_and_a_role(admin: Caller, missing: str) -> None:
    body = {"name": "job", "role": "officer"}
    del body[missing]
    answer = admin.post("/auth/api-keys", body)
    assert list(answer.get_json()["errors"]) == [missing]


@pytest.mark.parametrize("role", [Role.OFFICER, Role.APPLICANT])
def test_only_admins_deal_in_keys(lender: Lender, role: Role) -> None:
    user = lender.user(role)
    assert refusal(make(user)) == (403, "admin-only")
    assert refusal(user.get("/auth/api-keys")) == (403, "admin-only")
    assert refusal(user.delete(f"/auth/api-keys/{uuid4()}")) == (403, "admin-only")


def test_a_key_makes_no_keys(admin: Caller) -> None:
    assert refusal(make(key_holder(admin, Role.OFFICER))) == (403, "admin-only")


def test_a_key_of_an_officer_works_like_one(
    admin: Caller, customer: dict[str, Any], loan: dict[str, Any]
) -> None:
    key = key_holder(admin, Role.OFFICER)
    assert key.get(f"/customers/{customer['id']}").status_code == 200
    assert refusal(key.post(f"/loans/{loan['id']}/approve")) == (403, "admin-only")


def test_a_key_of_an_applicant_sees_only_what_it_made(
    admin: Caller, customer: dict[str, Any], loan: dict[str, Any]
) -> None:
    key = key_holder(admin, Role.APPLICANT)
    own = key.make_loan()
    assert [each["id"] for each in key.get("/loans/").get_json()] == [own["id"]]
    assert [each["id"] for each in key.get("/customers/").get_json()] == [own["customer_id"]]
    assert own["created_by"] == key.record["id"]
    assert refusal(key.get(f"/loans/{loan['id']}")) == (404, "loan-not-found")
    assert refusal(key.get(f"/customers/{customer['id']}")) == (404, "customer-not-found")


def test_one_applicants_key_sees_nothing_of_anothers(admin: Caller) -> None:
    own = key_holder(admin, Role.APPLICANT).make_loan()
    other = key_holder(admin, Role.APPLICANT)
    assert refusal(other.get(f"/loans/{own['id']}")) == (404, "loan-not-found")
    assert other.get("/loans/").get_json() == []


def test_a_revoked_key_is_refused_on_the_next_request(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    assert is_good(key)
    answer = admin.delete(f"/auth/api-keys/{key.record['id']}")
    assert (answer.status_code, answer.get_data()) == (204, b"")
    assert refusal(key.get("/customers/")) == REVOKED


def test_a_revoked_key_is_off_the_list_but_on_record(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    admin.delete(f"/auth/api-keys/{key.record['id']}")
    assert admin.get("/auth/api-keys").get_json() == []
    assert execute(admin.app, "SELECT revoked_at IS NOT NULL FROM api_keys") == (True,)


def test_revoking_one_key_leaves_the_others(admin: Caller) -> None:
    key, other = key_holder(admin, Role.OFFICER), key_holder(admin, Role.OFFICER)
    admin.delete(f"/auth/api-keys/{key.record['id']}")
    assert is_good(other)


def test_a_key_is_revoked_once(admin: Caller) -> None:
    path = f"/auth/api-keys/{key_holder(admin, Role.OFFICER).record['id']}"
    admin.delete(path)
    assert refusal(admin.delete(path)) == (404, "api-key-not-found")
    assert refusal(admin.delete(f"/auth/api-keys/{uuid4()}")) == (404, "api-key-not-found")


def test_of_racing_revocations_of_a_key_one_wins(
    admin: Caller, in_parallel: Callable[..., list[Any]]
) -> None:
    for _ in range(3):
        path = f"/auth/api-keys/{key_holder(admin, Role.OFFICER).record['id']}"
        answers = in_parallel(*[lambda p=path: admin.delete(p)] * 4)
        assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]


def test_a_key_expires(admin: Caller) -> None:
    made = created(make(admin, expires_at="2999-01-01T00:00:00+01:00"))
    key = Caller(admin.app, {"X-API-Key": made["key"]})
    assert made["expires_at"] == "2998-12-31T23:00:00Z"
    assert is_good(key)
    execute(admin.app, "UPDATE api_keys SET expires_at = now()")
    assert refusal(key.get("/customers/")) == REVOKED


def test_a_keys_use_is_noted(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    is_good(key)
    assert admin.get("/auth/api-keys").get_json()[0]["last_used_at"] is not None


def test_a_keys_use_is_noted_once_a_minute(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    is_good(key)
    first = execute(admin.app, "SELECT last_used_at FROM api_keys")
    is_good(key)
    assert execute(admin.app, "SELECT last_used_at FROM api_keys") == first
    execute(admin.app, "UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    is_good(key)
    assert execute(admin.app, "SELECT last_used_at FROM api_keys")[0] > first[0]


def test_a_refused_key_notes_no_use(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    admin.delete(f"/auth/api-keys/{key.record['id']}")
    assert not is_good(key)
    assert execute(admin.app, "SELECT last_used_at FROM api_keys") == (None,)


def test_the_keys_header_is_configurable(admin: Caller, make_app: Callable[..., Flask]) -> None:
    app = make_app(API_KEY_HEADER="X-Lender-Key")
    key = key_holder(admin, Role.OFFICER).record["key"]
    assert is_good(Caller(app, {"X-Lender-Key": key}))
    assert not is_good(Caller(app, {"X-API-Key": key}))
    both = Caller(app, {"X-Lender-Key": key, **admin.headers})
    assert refusal(both.get("/customers/")) == (400, "malformed")


def test_a_key_is_no_bearer_token(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER).record["key"]
    assert not is_good(Caller(admin.app, {"Authorization": f"Bearer {key}"}))
    assert not is_good(Caller(admin.app, {"X-API-Key": admin.token}))


@pytest.mark.parametrize(
    "part",
    [lambda key: key[:11], lambda key: key[:-1], lambda key: key + "A", str.lower, str.swapcase],
)
def test_a_part_of_a_key_is_no_key(admin: Caller, part: Callable[[str], str]) -> None:
    key = key_holder(admin, Role.OFFICER).record["key"]
    assert not is_good(Caller(admin.app, {"X-API-Key": part(key)}))


def test_making_and_revoking_a_key_are_on_record_without_it(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    admin.delete(f"/auth/api-keys/{key.record['id']}")
    trail = admin.get(f"/reports/audit?subject_id={key.record['id']}")
    assert [event["action"] for event in trail.get_json()] == ["api_key.revoked", "api_key.created"]
    assert key.record["key"] not in trail.get_data(as_text=True)


def test_what_a_key_does_is_on_record_as_a_keys_doing(admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER)
    key.make_customer()
    (event,) = admin.get(f"/reports/audit?actor_id={key.record['id']}").get_json()
    assert (event["action"], event["actor_kind"]) == ("customer.created", "api-key")
