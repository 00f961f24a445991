"""Idempotency-Key over HTTP: carried out once, and answered alike however often it is sent."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.config import Settings
from app.errors import Contended, DatabaseBusy
from app.models import Role
from app.models.base import now
from app.services import expiry, idempotency
from tests.attacks import Route, fingerprint, routes
from tests.credentials import execute, key_holder, refusal
from tests.factories import LOAN, PASSWORD, Caller, Lender, created

KEY = "7c0f5c52-0f4e-4a8f-9d0c-1f6b4b0a9a10"
REPLAYED = "Idempotency-Replayed"
REUSED = (422, "idempotency-key-reused")
NEW = "another horse battery"
# What an answer has of its own, whatever was asked.
OF_THE_MOMENT = {"X-Request-ID", REPLAYED}


def send(caller: Caller, path: str, body: Any = None, *, key: str = KEY, **more: Any) -> Any:
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    return caller.post(path, body, headers=headers, **more)


def send_as_written(caller: Caller, path: str, text: str, *, key: str = KEY) -> Any:
    return send(caller, path, key=key, data=text.encode(), content_type="application/json")


def was_replayed(answer: TestResponse) -> bool:
    return answer.headers.get(REPLAYED) == "true"


def content(answer: TestResponse) -> tuple[int, bytes, dict[str, str]]:
    """All of an answer that must be the same each time."""
    headers = {name: value for name, value in answer.headers if name not in OF_THE_MOMENT}
    return answer.status_code, answer.get_data(), headers


def kept(app: Flask) -> int:
    return int(execute(app, "SELECT count(*) FROM kept_answers")[0])


@pytest.fixture
def debt(admin: Caller) -> dict[str, Any]:
    return admin.make_debt(amount="100.00")


@pytest.fixture
def deposits(customer: dict[str, Any]) -> str:
    return f"/customers/{customer['id']}/account/deposits"


@pytest.fixture
def deeds(debt: dict[str, Any], loan: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """A path and a body for every kind of answer that is kept."""
    customer = debt["customer_id"]
    return {
        "customer": ("/customers/", {"external_id": "crm-1"}),
        "application": ("/loans/", {**LOAN, "customer_id": customer}),
        "approval": (f"/loans/{loan['id']}/approve", None),
        "activation": (f"/loans/{loan['id']}/activate", {"reason": "signed"}),
        "payment": ("/payments/", {"customer_id": customer, "total_amount": "10.00"}),
        "overpayment": ("/payments/", {"customer_id": customer, "total_amount": "100.01"}),
        "deposit": (f"/customers/{customer}/account/deposits", {"amount": "1.00"}),
        "withdrawal": (f"/customers/{customer}/account/withdrawals", {"amount": "1.00"}),
        "user": ("/auth/register", {"email": "new@lender.example.com", "password": PASSWORD}),
        "API key": ("/auth/api-keys", {"name": "nightly job", "role": "officer"}),
        "password": (
            "/auth/users/me/password",
            {"current_password": PASSWORD, "new_password": NEW},
        ),
        "second factor": ("/auth/users/me/totp", {"current_password": PASSWORD}),
    }


DEEDS = (
    *("customer", "application", "approval", "activation", "payment", "overpayment"),
    *("deposit", "withdrawal", "user", "API key", "password", "second factor"),
)


@pytest.mark.parametrize("name", DEEDS)
def test_the_first_answer_is_given_again_byte_for_byte_and_nothing_done_again(
    app: Flask, admin: Caller, deeds: dict[str, tuple[str, Any]], name: str
) -> None:
    path, body = deeds[name]
    first = send(admin, path, body)
    assert first.status_code < 300, first.text
    after = fingerprint(app)
    second, third = (send(admin, path, body) for _ in range(2))
    assert content(second) == content(third) == content(first)
    assert [was_replayed(answer) for answer in (first, second, third)] == [False, True, True]
    assert REPLAYED not in first.headers
    assert fingerprint(app) == after


@pytest.mark.parametrize("name", DEEDS)
def test_one_connection_is_enough_for_claim_deed_and_answer(
    make_app: Callable[..., Flask],
    admin: Caller,
    deeds: dict[str, tuple[str, Any]],
    name: str,
) -> None:
    app = make_app(DATABASE_POOL_SIZE="1", DATABASE_POOL_TIMEOUT="1")
    answer = send(Caller(app, admin.headers), *deeds[name])
    assert answer.status_code < 300, answer.text


def test_location_and_tag_are_given_again(admin: Caller) -> None:
    body = {"external_id": "crm-1"}
    first, second = (send(admin, "/customers/", body) for _ in range(2))
    for name in ("Location", "ETag"):
        assert second.headers[name] == first.headers[name]


def test_a_replay_has_a_request_id_of_its_own(admin: Caller) -> None:
    for name in ("first", "second"):
        headers = {"X-Request-ID": name}
        answer = send(admin, "/customers/", {"external_id": "crm-1"}, headers=headers)
        assert answer.headers["X-Request-ID"] == name
        assert was_replayed(answer) == (name == "second")


def test_a_replay_shows_the_record_as_it_was(admin: Caller) -> None:
    first = send(admin, "/customers/", {"external_id": "crm-1"})
    admin.patch("/customers/crm-1", {"first_name": "Ada"})
    assert content(send(admin, "/customers/", {"external_id": "crm-1"})) == content(first)


def test_a_refusal_is_given_again_with_its_request_id_though_its_cause_is_gone(
    app: Flask, admin: Caller, deposits: str
) -> None:
    path = deposits.replace("deposits", "withdrawals")
    first = send(admin, path, {"amount": "1.00"})
    assert refusal(first) == (422, "insufficient-funds")
    created(admin.post(deposits, {"amount": "1.00"}))
    after = fingerprint(app)
    second = send(admin, path, {"amount": "1.00"})
    assert content(second) == content(first)
    assert second.json["request_id"] == first.headers["X-Request-ID"]
    assert was_replayed(second)
    assert fingerprint(app) == after


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/payments/", {"customer_external_id": "nobody", "total_amount": "1"}, 404),
        ("/payments/", {"customer_external_id": "crm-1", "total_amount": "-1"}, 422),
        ("/payments/", {"customer_external_id": "crm-1", "is_free": True}, 422),
        ("/customers/", {"external_id": "crm-1"}, 409),
        ("/auth/users/me/password", {"current_password": "no", "new_password": NEW}, 422),
    ],
)
def test_a_refusal_of_any_kind_is_given_again(
    officer: Caller, path: str, body: dict[str, Any], expected: int
) -> None:
    officer.make_customer(external_id="crm-1")
    first, second = (send(officer, path, body) for _ in range(2))
    assert first.status_code == expected
    assert (content(second), was_replayed(second)) == (content(first), True)


def test_whoever_was_refused_for_a_stale_tag_may_come_back_with_the_present_one(
    admin: Caller, loan: dict[str, Any]
) -> None:
    path, present = f"/loans/{loan['id']}", admin.get(f"/loans/{loan['id']}").headers["ETag"]
    tags = ('"stale"', present)
    answers = [send(admin, f"{path}/approve", headers={"If-Match": tag}) for tag in tags]
    assert [answer.status_code for answer in answers] == [412, 200]


def test_whoever_was_refused_for_want_of_a_role_may_come_back_with_it(
    admin: Caller, officer: Caller, loan: dict[str, Any]
) -> None:
    path = f"/loans/{loan['id']}/approve"
    refused = send(officer, path)
    assert admin.patch(f"/auth/users/{officer.id}", {"role": "admin"}).status_code == 200
    assert (refused.status_code, send(officer, path).status_code) == (403, 200)


@pytest.mark.parametrize(
    "spelling",
    [
        '{"amount":10,"note":"A"}',
        ' {\n\t"amount" : 10 , "note" : "A"\r\n} ',
        '{"note": "A", "amount": 10}',
        '{"amount": 10.0, "note": "A"}',
        '{"amount": 1e1, "note": "A"}',
        '{"amount": 1.00E+1, "note": "A"}',
        f'{{"amount": 10.{"0" * 5_000}, "note": "A"}}',
        '{"amount": 10, "note": "\\u0041"}',
    ],
    ids=lambda spelling: spelling[:40],
)
def test_one_body_written_in_another_way_is_the_same(
    admin: Caller, deposits: str, spelling: str
) -> None:
    first = send_as_written(admin, deposits, '{"amount": 10.00, "note": "A"}')
    assert first.status_code == 201
    again = send_as_written(admin, deposits, spelling)
    assert (content(again), was_replayed(again)) == (content(first), True)


@pytest.mark.parametrize(
    "other",
    [
        '{"amount": 10.01, "note": "A"}',
        '{"amount": 100, "note": "A"}',
        '{"amount": 1, "note": "A"}',
        '{"amount": -10, "note": "A"}',
        '{"amount": 0, "note": "A"}',
        '{"amount": 10, "note": "a"}',
        '{"amount": 10, "note": null}',
        '{"amount": 10}',
        '{"amount": 10, "note": "A", "external_id": "till-1"}',
        '{"amount": [10], "note": "A"}',
        '{"amount": true, "note": "A"}',
        '{"amount": {"literal": "10"}, "note": "A"}',
        '{"amount": 1e400, "note": "A"}',
        f'{{"amount": 1e{"9" * 5_000}, "note": "A"}}',
        f'{{"amount": 1e-{"9" * 5_000}, "note": "A"}}',
        f'{{"amount": 10.{"0" * 5_000}1, "note": "A"}}',
        "{}",
    ],
    ids=lambda other: other[:40],
)
def test_another_body_is_refused_and_nothing_done(
    app: Flask, admin: Caller, deposits: str, other: str
) -> None:
    first = send_as_written(admin, deposits, '{"amount": 10, "note": "A"}')
    after = fingerprint(app)
    assert refusal(send_as_written(admin, deposits, other)) == REUSED
    assert fingerprint(app) == after
    assert content(send_as_written(admin, deposits, '{"amount": 10, "note": "A"}')) == content(
        first
    )


def test_another_path_is_another_request(app: Flask, admin: Caller, deposits: str) -> None:
    created(send(admin, deposits, {"amount": "10.00"}))
    after = fingerprint(app)
    other = f"/customers/{admin.make_customer()['id']}/account/deposits"
    assert refusal(send(admin, other, {"amount": "10.00"})) == REUSED
    withdrawals = deposits.replace("deposits", "withdrawals")
    assert refusal(send(admin, withdrawals, {"amount": "10.00"})) == REUSED
    assert fingerprint(app)["entries"] == after["entries"]


def test_another_query_is_another_request(admin: Caller, deposits: str) -> None:
    created(send(admin, deposits, {"amount": "10.00"}))
    assert refusal(send(admin, f"{deposits}?amount=1", {"amount": "10.00"})) == REUSED


def test_the_last_slash_of_a_path_does_not_matter(admin: Caller) -> None:
    body = {"external_id": "crm-1"}
    first = send(admin, "/customers/", body)
    assert content(send(admin, "/customers", body)) == content(first)


def test_no_body_and_an_empty_one_are_the_same(admin: Caller, loan: dict[str, Any]) -> None:
    path = f"/loans/{loan['id']}/approve"
    first = send(admin, path)
    assert content(send(admin, path, {})) == content(first)


def test_another_key_is_another_request(admin: Caller, deposits: str) -> None:
    for key, balance in (("first", "10.00"), ("second", "20.00")):
        entry = created(send(admin, deposits, {"amount": "10.00"}, key=key))
        assert entry["balance_after"] == balance


def test_callers_do_not_share_their_keys(admin: Caller, officer: Caller, deposits: str) -> None:
    callers = (admin, officer, key_holder(admin, Role.OFFICER))
    balances = [
        created(send(caller, deposits, {"amount": amount}))["balance_after"]
        for caller, amount in zip(callers, ("10.00", "10.00", "5.00"), strict=True)
    ]
    assert balances == ["10.00", "20.00", "25.00"]


def test_whoever_has_no_name_yet_is_answered_once_too(
    lender: Lender, make_app: Callable[..., Flask]
) -> None:
    anyone = Caller(make_app(ALLOW_SELF_REGISTRATION="true"))
    body = {"email": "new@applicant.example", "password": PASSWORD}
    first, second = (send(anyone, "/auth/register", body) for _ in range(2))
    assert first.status_code == 201
    assert (content(second), was_replayed(second)) == (content(first), True)
    other = {**body, "password": NEW}
    assert refusal(send(anyone, "/auth/register", other)) == REUSED


def test_who_may_no_longer_call_is_told_nothing(admin: Caller, officer: Caller) -> None:
    body = {"external_id": "crm-1"}
    created(send(officer, "/customers/", body))
    admin.patch(f"/auth/users/{officer.id}", {"is_active": False})
    assert refusal(send(officer, "/customers/", body)) == (401, "unauthenticated")


def test_who_has_another_role_now_is_not_told_what_they_were_told_before(
    app: Flask, admin: Caller, officer: Caller, deposits: str
) -> None:
    created(send(officer, deposits, {"amount": "10.00"}))
    admin.patch(f"/auth/users/{officer.id}", {"role": Role.APPLICANT})
    after = fingerprint(app)
    assert refusal(send(officer, deposits, {"amount": "10.00"})) == REUSED
    assert fingerprint(app) == after


def test_who_has_no_name_yet_uses_up_nobody_elses_keys(
    lender: Lender, make_app: Callable[..., Flask]
) -> None:
    anyone = Caller(make_app(ALLOW_SELF_REGISTRATION="true"))
    for number in range(2):
        body = {"email": f"new{number}@applicant.example", "password": PASSWORD}
        elsewhere = {"REMOTE_ADDR": f"203.0.113.{number}", "HTTP_IDEMPOTENCY_KEY": "1"}
        answer = anyone.post("/auth/register", body, environ_overrides=elsewhere)
        assert (answer.status_code, was_replayed(answer)) == (201, False)


@pytest.mark.parametrize(
    "key",
    ["", "x" * 256, "é", "a\tb", "\x7f", "\x00", "\x1f", "\x80", "日本".encode().decode("latin-1")],
    ids=ascii,
)
def test_what_is_no_key_is_refused_and_nothing_done(
    app: Flask, admin: Caller, deposits: str, key: str
) -> None:
    before = fingerprint(app)
    answer = admin.post(
        deposits, {"amount": "1.00"}, environ_overrides={"HTTP_IDEMPOTENCY_KEY": key}
    )
    assert refusal(answer) == (400, "malformed")
    assert (fingerprint(app), kept(app)) == (before, 0)


@pytest.mark.parametrize(
    "key", ["x", "x" * 255, "".join(map(chr, range(32, 127))), "..", "%00", "'; --"]
)
def test_any_printable_ascii_is_a_key(admin: Caller, deposits: str, key: str) -> None:
    for replayed in (False, True):
        environ = {"HTTP_IDEMPOTENCY_KEY": key}
        answer = admin.post(deposits, {"amount": "1.00"}, environ_overrides=environ)
        assert (created(answer)["balance_after"], was_replayed(answer)) == ("1.00", replayed)


def test_keys_differ_by_case(admin: Caller, deposits: str) -> None:
    balances = [
        created(send(admin, deposits, {"amount": "1.00"}, key=key))["balance_after"]
        for key in ("key", "KEY")
    ]
    assert balances == ["1.00", "2.00"]


def test_a_request_that_cannot_be_read_claims_no_key(
    app: Flask, admin: Caller, deposits: str
) -> None:
    for broken in ('{"amount": 1', '{"amount": 1, "amount": 1}'):
        assert refusal(send_as_written(admin, deposits, broken)) == (400, "malformed")
    assert refusal(send(Caller(app), deposits, {"amount": "1.00"})) == (401, "unauthenticated")
    assert kept(app) == 0
    created(send(admin, deposits, {"amount": "1.00"}))


def test_what_is_away_for_the_moment_is_not_kept(
    app: Flask, admin: Caller, debt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"customer_id": debt["customer_id"], "total_amount": "10.00"}
    before = fingerprint(app)
    for error, status in ((DatabaseBusy(), 503), (Contended(), 503), (ZeroDivisionError(), 500)):
        with monkeypatch.context() as patch:
            patch.setattr("app.services.audit.record", _raising(error))
            assert send(admin, "/payments/", body).status_code == status
        assert (fingerprint(app), kept(app)) == (before, 0)
    answer = send(admin, "/payments/", body)
    assert (created(answer)["status"], was_replayed(answer)) == ("COMPLETED", False)


def test_a_victim_of_contention_is_run_again_within_its_key(
    admin: Caller, deposits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter((Contended(), Contended()))
    record = idempotency._keep

    def keep(*arguments: Any, **values: Any) -> None:
        if error := next(errors, None):
            raise error
        record(*arguments, **values)

    monkeypatch.setattr(idempotency, "_keep", keep)
    entry = created(send(admin, deposits, {"amount": "10.00"}))
    assert entry["balance_after"] == "10.00"
    assert len(admin.get(deposits.replace("deposits", "entries")).json) == 1


def test_too_many_requests_are_not_kept(app: Flask, officer: Caller) -> None:
    path, body = "/auth/users/me/password", {"current_password": PASSWORD, "new_password": NEW}
    for _ in range(10):
        wrong = {**body, "current_password": "not the password"}
        assert officer.post(path, wrong).status_code == 422
    refused = send(officer, path, body)
    assert refused.status_code == 429
    assert kept(app) == 0
    execute(app, "DELETE FROM login_failures")
    answer = send(officer, path, body)
    assert (answer.status_code, was_replayed(answer)) == (204, False)


def test_a_wrong_password_counts_though_it_came_with_a_key(app: Flask, officer: Caller) -> None:
    body = {"current_password": "not the password", "new_password": NEW}
    for number in range(10):
        answer = send(officer, "/auth/users/me/password", body, key=f"guess {number}")
        assert refusal(answer) == (422, "wrong-password")
    assert execute(app, "SELECT failures FROM login_failures") == (10,)
    answer = send(officer, "/auth/users/me/password", body, key="the last guess")
    assert refusal(answer) == (429, "too-many")


def test_effect_and_answer_are_kept_together_or_not_at_all(
    app: Flask, admin: Caller, debt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"customer_id": debt["customer_id"], "total_amount": "10.00"}
    before = fingerprint(app)
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "_keep", _raising(ZeroDivisionError()))
        assert send(admin, "/payments/", body).status_code == 500
    assert (fingerprint(app), kept(app)) == (before, 0)
    assert not was_replayed(send(admin, "/payments/", body))


def test_no_mail_announces_what_was_not_kept(
    app: Flask, admin: Caller, loan: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_keep", _raising(ZeroDivisionError()))
    assert send(admin, f"/loans/{loan['id']}/flag", {"reason": "odd"}).status_code == 500
    assert execute(app, "SELECT count(*) FROM flag_notices") == (0,)


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_only_a_post_takes_a_key(app: Flask, admin: Caller, method: str) -> None:
    path = f"/customers/{admin.make_customer()['id']}"
    body = {"first_name": "Grace"} if method == "patch" else None
    answer = getattr(admin, method)(path, body, headers={"Idempotency-Key": ""})
    assert answer.status_code in (200, 204)
    assert kept(app) == 0


def test_logging_in_takes_no_key(app: Flask, officer: Caller) -> None:
    assert officer.user is not None
    body = {"email": officer.user.email, "password": PASSWORD}
    tokens = {send(Caller(app), "/auth/login", body).json["access_token"] for _ in range(2)}
    assert (len(tokens), kept(app)) == (2, 0)


def test_the_secret_of_an_api_key_is_given_again_and_kept_unreadable(
    app: Flask, admin: Caller
) -> None:
    body = {"name": "nightly job", "role": "officer"}
    first, second = (created(send(admin, "/auth/api-keys", body)) for _ in range(2))
    assert second["key"] == first["key"]
    secret = first["key"].encode()
    for part in (secret, secret[-16:], b"nightly job"):
        assert not any(part in column for column in kept_row(app))


def test_no_password_can_be_read_from_what_is_kept(app: Flask, officer: Caller) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert send(officer, "/auth/users/me/password", body).status_code == 204
    for password in (PASSWORD, NEW):
        assert not any(password.encode() in column for column in kept_row(app))


def test_the_same_body_leaves_another_fingerprint_under_another_key(
    app: Flask, admin: Caller, officer: Caller, deposits: str
) -> None:
    """Nor can a guess at a body, a password in it, be tried without the service's secret."""
    for caller, key in ((admin, "first"), (admin, "second"), (officer, "first")):
        created(send(caller, deposits, {"amount": "1.00"}, key=key))
    assert execute(app, "SELECT count(DISTINCT fingerprint) FROM kept_answers") == (3,)


def test_an_answer_is_kept_for_a_day_at_least(
    app: Flask, admin: Caller, deposits: str, settings: Settings
) -> None:
    send(admin, deposits, {"amount": "1.00"})
    (kept_for,) = execute(app, "SELECT expires_at - created_at FROM kept_answers")
    assert kept_for > timedelta(hours=settings.idempotency_hours) >= timedelta(hours=24)


def test_a_clock_ten_minutes_ahead_forgets_no_answer_before_its_time(
    app: Flask, admin: Caller, deposits: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(admin, deposits, {"amount": "1.00"})
    a_day_later = now() + timedelta(hours=23, minutes=59)
    monkeypatch.setattr(expiry, "now", lambda: a_day_later + timedelta(minutes=10))
    assert app.test_cli_runner().invoke(args=["forget-expired"]).exit_code == 0
    assert was_replayed(send(admin, deposits, {"amount": "1.00"}))


def test_what_has_had_its_time_is_forgotten_and_the_key_is_free_again(
    app: Flask, admin: Caller, deposits: str
) -> None:
    for key in ("old", "young"):
        send(admin, deposits, {"amount": "1.00"}, key=key)
    execute(app, "UPDATE kept_answers SET expires_at = now() WHERE key = 'old'")
    swept = app.test_cli_runner().invoke(args=["forget-expired"])
    assert swept.output == "1 rows deleted.\n"
    old, young = (send(admin, deposits, {"amount": "1.00"}, key=key) for key in ("old", "young"))
    assert [was_replayed(answer) for answer in (old, young)] == [False, True]
    assert old.json["balance_after"] == "3.00"


@pytest.mark.parametrize("route", routes(), ids=str)
def test_the_document_says_which_routes_take_a_key(
    app: Flask, anyone: Caller, route: Route
) -> None:
    path = route.rule.rule.replace("uuid:", "").replace("path:", "")
    operation = anyone.get("/openapi.json").json["paths"][path.replace("<", "{").replace(">", "}")][
        route.method.lower()
    ]
    takes = [each for each in operation["parameters"] if each["name"] == "Idempotency-Key"]
    replaying = [
        status
        for status, response in operation["responses"].items()
        if REPLAYED in response.get("headers", {})
    ]
    if not (route.method == "POST" and route.contract.takes_a_key):
        assert (takes, replaying) == ([], [])
        return
    assert [each["schema"]["pattern"] for each in takes] == ["^[ -~]{1,255}$"]
    assert {str(route.contract.status), "409", "422"} <= set(replaying)
    assert "idempotency-key-in-use" in operation["responses"]["409"]["description"]
    assert "idempotency-key-reused" in operation["responses"]["422"]["description"]


def kept_row(app: Flask) -> Iterator[bytes]:
    """Each column of the one answer kept, as bytes."""
    row = execute(app, "SELECT * FROM kept_answers")
    return (
        bytes(column) if isinstance(column, bytes | memoryview) else str(column).encode()
        for column in row
    )


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail
