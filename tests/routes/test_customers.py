"""Customers over HTTP."""

import re
from typing import Any

import pytest

from tests.factories import Caller, created

SHAPE = [
    "id",
    "external_id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "status",
    "credit_limit",
    "preapproved_at",
    "created_by",
    "created_at",
    "updated_at",
]


def test_a_customer_is_answered_as_it_was_stored(officer: Caller) -> None:
    given = {
        "external_id": "crm-77",
        "first_name": "Grace",
        "last_name": "O'Brien-Ðž",
        "email": "Grace@Example.COM",
        "phone": "+1 (555) 010-99",
        "credit_limit": 1000.5,
        "preapproved_at": "2026-01-31T09:30:00+02:00",
    }
    response = officer.post("/customers/", given)
    customer = created(response)
    assert list(customer) == SHAPE
    assert customer["email"] == "Grace@example.com"
    assert customer["credit_limit"] == "1000.50"
    assert customer["preapproved_at"] == "2026-01-31T07:30:00Z"
    assert (customer["status"], customer["created_by"]) == ("ACTIVE", officer.id)
    assert response.headers["Location"] == f"/customers/{customer['id']}"
    for ref in (customer["id"], "crm-77"):
        assert officer.get(f"/customers/{ref}").json == customer


@pytest.mark.parametrize(
    "missing",
    [
        {"first_name": "A", "last_name": "B"},
        {"first_name": "A", "email": "a@example.com"},
        {"last_name": "B", "email": "a@example.com"},
        {},
    ],
)
def test_a_customer_needs_a_whole_name_and_an_email_or_an_external_id(
    officer: Caller, missing: dict[str, str]
) -> None:
    refused = officer.post("/customers/", missing)
    assert (refused.status_code, refused.json["code"]) == (422, "customer-incomplete")
    created(officer.post("/customers/", {**missing, "external_id": "enough"}))


def test_a_change_cannot_leave_a_customer_unnamed(officer: Caller) -> None:
    customer = officer.make_customer()
    refused = officer.patch(f"/customers/{customer['id']}", {"email": None})
    assert (refused.status_code, refused.json["code"]) == (422, "customer-incomplete")
    assert officer.get(f"/customers/{customer['id']}").json == customer


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"email": "Ada@Example.com"}, {"email": "aDA@example.com"}, "email-taken"),
        ({"phone": "+1 555 0100"}, {"phone": "+1 555 0100"}, "phone-taken"),
        ({"external_id": "x-1"}, {"external_id": "x-1"}, "external-id-taken"),
    ],
)
def test_what_names_a_customer_is_unique(
    officer: Caller, first: dict[str, str], second: dict[str, str], code: str
) -> None:
    officer.make_customer(**first)
    other = {"first_name": "B", "last_name": "B", "email": "other@example.com", **second}
    refused = officer.post("/customers/", other)
    assert (refused.status_code, refused.json["code"]) == (409, code)


def test_absent_emails_and_phones_do_not_clash(officer: Caller) -> None:
    bare = [officer.post("/customers/", {"external_id": f"bare-{at}"}) for at in range(2)]
    assert [answer.status_code for answer in bare] == [201, 201]


@pytest.mark.parametrize("word", ["imports", "export", "EXPORT", "a/b", " a", "a ", "..", "\u202e"])
def test_an_external_id_must_be_addressable(officer: Caller, word: str) -> None:
    assert officer.post("/customers/", {"external_id": word}).status_code == 422


def test_an_external_id_never_looks_like_an_id(officer: Caller) -> None:
    customer = officer.make_customer()
    disguises = (customer["id"], customer["id"].replace("-", ""), "{%s}" % customer["id"])  # noqa: UP031
    for disguise in disguises:
        assert officer.post("/customers/", {"external_id": disguise}).status_code == 422


def test_an_external_id_stays_taken_after_its_customer_is_gone(officer: Caller) -> None:
    created(officer.post("/customers/", {"external_id": "once"}))
    assert officer.delete("/customers/once").status_code == 204
    refused = officer.post("/customers/", {"external_id": "once"})
    assert (refused.status_code, refused.json["code"]) == (409, "external-id-taken")


def test_an_external_id_with_any_printable_character_is_found_by_path(officer: Caller) -> None:
    customer = created(officer.post("/customers/", {"external_id": "Köln #7 100%?&"}))
    found = officer.get("/customers/K%C3%B6ln%20%237%20100%25%3F%26")
    assert found.json == customer


def test_a_customer_is_changed_and_a_null_empties(officer: Caller) -> None:
    customer = officer.make_customer(phone="555 0100", credit_limit="5.00")
    changed = officer.patch(
        f"/customers/{customer['id']}", {"phone": None, "last_name": "New", "status": "INACTIVE"}
    )
    assert changed.status_code == 200
    kept = {name: customer[name] for name in ("first_name", "email", "credit_limit")}
    assert (
        changed.json.items()
        >= {
            "phone": None,
            "last_name": "New",
            "status": "INACTIVE",
            **kept,
        }.items()
    )
    assert changed.json["updated_at"] > customer["updated_at"]


@pytest.mark.parametrize("field", [{"credit_limit": "1"}, {"status": "INACTIVE"}])
def test_an_applicant_sets_neither_limit_nor_status(
    applicant: Caller, field: dict[str, str]
) -> None:
    customer = applicant.make_customer()
    assert applicant.patch(f"/customers/{customer['id']}", field).status_code == 403
    assert applicant.post("/customers/", {"external_id": "x", **field}).status_code == 403
    assert applicant.patch(f"/customers/{customer['id']}", {"first_name": "Me"}).status_code == 200


def test_a_stale_entity_tag_is_refused(officer: Caller) -> None:
    path = f"/customers/{officer.make_customer()['id']}"
    tag = officer.get(path).headers["ETag"]
    changed = officer.patch(path, {"first_name": "B"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    stale = officer.patch(path, {"first_name": "C"}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json["code"]) == (412, "stale")
    assert officer.delete(path, headers={"If-Match": tag}).status_code == 412
    assert officer.get(path).json["first_name"] == "B"
    several = {"If-Match": f'"another", {changed.headers["ETag"]}'}
    assert officer.patch(path, {"first_name": "C"}, headers=several).status_code == 200
    assert officer.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_an_unchanged_customer_is_not_sent_again(officer: Caller) -> None:
    path = f"/customers/{officer.make_customer()['id']}"
    tag = officer.get(path).headers["ETag"]
    again = officer.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_a_customer_with_a_loan_cannot_be_deleted(officer: Caller) -> None:
    loan = officer.make_loan()
    refused = officer.delete(f"/customers/{loan['customer_id']}")
    assert (refused.status_code, refused.json["code"]) == (409, "customer-in-use")


def test_a_deleted_customer_is_gone(officer: Caller) -> None:
    path = f"/customers/{officer.make_customer()['id']}"
    assert officer.delete(path).status_code == 204
    assert officer.get(path).status_code == officer.delete(path).status_code == 404


def test_an_applicant_deletes_nobody(applicant: Caller) -> None:
    customer = applicant.make_customer()
    assert applicant.delete(f"/customers/{customer['id']}").status_code == 403


@pytest.fixture
def three(officer: Caller) -> list[dict[str, Any]]:
    """Newest first: INACTIVE with a phone, one with an external id, one with only a name."""
    made = [
        officer.make_customer(first_name="Zoë", last_name="Plain"),
        officer.make_customer(first_name="Yan", last_name="Ext", external_id="Ext%1_"),
        officer.make_customer(phone="+44 20 7946", status="INACTIVE", email="findme@example.org"),
    ]
    return made[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [0, 1, 2]),
        ("status=INACTIVE", [0]),
        ("status=ACTIVE", [1, 2]),
        ("external_id=Ext%251_", [1]),
        ("external_id=nobody", []),
        ("q=zoë", [2]),
        ("q=zoë plain", [2]),
        ("q=FINDME", [0]),
        ("q=7946", [0]),
        ("q=ext%251", [1]),
        ("q=%25", [1]),
        ("q=_", [1]),
        ("q=%5C", []),
        ("q=%27", []),
        ("q=example.org&status=ACTIVE", []),
        ("page_size=2", [0, 1]),
        ("page_size=2&page=2", [2]),
        ("page_size=2&page=3", []),
    ],
)
def test_customers_are_listed_newest_first_and_filtered(
    officer: Caller, three: list[dict[str, Any]], query: str, expected: list[int]
) -> None:
    answer = officer.get(f"/customers/?{query}")
    assert answer.json == [three[number] for number in expected]


def test_a_list_says_how_long_it_is_and_where_its_pages_are(
    officer: Caller, three: list[dict[str, Any]]
) -> None:
    headers = officer.get("/customers/?page=2&page_size=1&status=ACTIVE").headers
    assert (headers["X-Total-Count"], headers["X-Page"], headers["X-Page-Size"]) == ("2", "2", "1")
    link = re.sub("&cursor=[^>]+>; rel=.prev", '>; rel="prev', headers["Link"])
    links = dict(reversed(link.split("; ")) for link in link.split(", "))
    assert links == {
        'rel="first"': "</customers/?status=ACTIVE&page=1&page_size=1>",
        'rel="prev"': "</customers/?status=ACTIVE&page=1&page_size=1>",
        'rel="last"': "</customers/?status=ACTIVE&page=2&page_size=1>",
    }


def test_a_balance_is_what_is_owed_and_what_is_applied_for(admin: Caller) -> None:
    customer = admin.make_customer(external_id="c-1", credit_limit="1000.00")
    loans = [admin.make_loan(customer, amount=amount) for amount in ("10", "20", "30", "40", "50")]
    admin.post(f"/loans/{loans[0]['id']}/activate")
    admin.post(f"/loans/{loans[1]['id']}/reject")
    admin.post(f"/loans/{loans[2]['id']}/withdraw")
    admin.post(f"/loans/{loans[3]['id']}/flag", {"reason": "odd"})
    assert admin.get("/customers/c-1/balance").json == {
        "external_id": "c-1",
        "credit_limit": "1000.00",
        "total_debt": "100.00",
        "available_credit": "900.00",
    }


def test_without_a_limit_no_credit_is_computed(officer: Caller) -> None:
    customer = officer.make_customer()
    assert officer.get(f"/customers/{customer['id']}/balance").json == {
        "external_id": None,
        "credit_limit": None,
        "total_debt": "0.00",
        "available_credit": None,
    }
