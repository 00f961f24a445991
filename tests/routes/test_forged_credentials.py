"""What is no credential of ours opens nothing, however it is made up."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest
from flask import Flask

from app.config import Settings
from app.models import Role
from app.web import tokens
from tests.attacks import fingerprint
from tests.credentials import claims_of, execute, is_good, key_holder, refusal, session_of
from tests.factories import Caller, Lender

REFUSED = (401, "unauthenticated")
HEADER = {"alg": "HS256", "typ": "JWT", "kid": "1"}
NOW = int(datetime.now(UTC).timestamp())
GONE = object()


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def signed(header: Any, claims: Any, key: str, digest: str = "sha256") -> str:
    """A token of any header and claims, signed with the key whatever the header says."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)
    ]
    message = b".".join(encoded(part) for part in parts)
    signature = hmac.new(key.encode(), message, getattr(hashlib, digest)).digest()
    return (message + b"." + encoded(signature)).decode()


@pytest.fixture
def secret(settings: Settings) -> str:
    return settings.secret_key


@pytest.fixture
def both(officer: Caller) -> list[tuple[str, Callable[[str], Any]]]:
    """A good access token and a good refresh token, each with a call that takes it."""
    _, holder = session_of(officer)

    def call(method: str, path: str) -> Callable[[str], Any]:
        return lambda token: getattr(Caller(officer.app), method)(
            path, headers={"Authorization": f"Bearer {token}"}
        )

    return [
        (officer.token, call("get", "/auth/users/me")),
        (holder.token, call("post", "/auth/refresh")),
    ]


def test_a_token_of_the_same_making_is_good(both: Any, secret: str) -> None:
    for token, send in both:
        assert send(signed(HEADER, claims_of(token), secret)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "nOnE"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": {}},
        {"alg": GONE},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "EdDSA"},
        {"alg": "hs256"},
        {"kid": GONE},
        {"kid": "2"},
        {"kid": 1},
        {"kid": ["1"]},
        {"kid": None},
        {"kid": "../../dev/null"},
        {"kid": "1' OR '1'='1"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_another_header_makes_no_token(both: Any, secret: str, header: dict[str, Any]) -> None:
    changed = {name: value for name, value in {**HEADER, **header}.items() if value is not GONE}
    for token, send in both:
        assert refusal(send(signed(changed, claims_of(token), secret))) == REFUSED


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE"])
def test_a_token_without_a_signature_is_no_token(both: Any, algorithm: str) -> None:
    for token, send in both:
        header = encoded(json.dumps({**HEADER, "alg": algorithm}).encode()).decode()
        for signature in ("", token.split(".")[2]):
            assert refusal(send(f"{header}.{token.split('.')[1]}.{signature}")) == REFUSED


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_the_right_secret_with_another_algorithm_makes_no_token(
    both: Any, secret: str, algorithm: str
) -> None:
    digest = algorithm.replace("HS", "sha")
    for token, send in both:
        forged = signed({**HEADER, "alg": algorithm}, claims_of(token), secret, digest)
        assert refusal(send(forged)) == REFUSED


@pytest.mark.parametrize("key", ["", "1", "another secret, as long as the tests' own one is"])
def test_another_secret_makes_no_token(both: Any, key: str) -> None:
    for token, send in both:
        assert refusal(send(signed(HEADER, claims_of(token), key))) == REFUSED


@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
def test_a_token_that_was_tampered_with_is_no_token(both: Any, part: int) -> None:
    for token, send in both:
        parts = token.split(".")
        for changed in (
            parts[part][:-2] + ("AA" if parts[part][-2:] != "AA" else "BB"),
            ("B" if parts[part].startswith("A") else "A") + parts[part][1:],
            parts[part][:-1],
            "",
        ):
            assert refusal(send(".".join([*parts[:part], changed, *parts[part + 1 :]]))) == REFUSED


def test_another_users_name_under_ones_own_signature_is_no_token(both: Any, admin: Caller) -> None:
    for token, send in both:
        header, _, signature = token.split(".")
        payload = encoded(json.dumps({**claims_of(token), "sub": admin.id}).encode()).decode()
        assert refusal(send(f"{header}.{payload}.{signature}")) == REFUSED


@pytest.mark.parametrize(
    "claims",
    [
        *(
            {name: GONE}
            for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub", "type")
        ),
        *(
            {name: None}
            for name in ("aud", "exp", "iat", "iss", "jti", "nbf", "sid", "sub", "type")
        ),
        {"exp": NOW - 1},
        {"exp": 0},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": [NOW + 60]},
        {"exp": str(NOW + 6000)},
        {"exp": NOW + 6000.5},
        {"nbf": NOW + 600},
        {"nbf": "now"},
        {"exp": NOW - 30},
        {"iat": NOW + 600},
        {"iat": "now"},
        {"iss": "another-service"},
        {"iss": ["loan-service"]},
        {"iss": ""},
        {"aud": "other-clients"},
        {"aud": ["other-clients"]},
        {"aud": []},
        {"aud": ""},
        {"sub": ""},
        {"sub": "me"},
        {"sub": 1},
        {"sub": {"id": 1}},
        {"sub": str(uuid4())},
        {"sub": "00000000-0000-0000-0000-000000000000"},
        {"sid": ""},
        {"sid": "x"},
        {"sid": 1},
        {"sid": str(uuid4())},
        {"sid": ["x"]},
        {"jti": "x"},
        {"jti": 1},
        {"type": "Access"},
        {"type": "id"},
        {"type": ""},
        {"type": ["access"]},
        {"type": {"access": 1}},
    ],
)
def test_other_claims_under_the_right_signature_make_no_token(
    both: Any, secret: str, claims: dict[str, Any]
) -> None:
    for token, send in both:
        said = {**claims_of(token), **claims}
        forged = signed(HEADER, {k: v for k, v in said.items() if v is not GONE}, secret)
        assert refusal(send(forged)) == REFUSED


def test_a_token_from_a_machine_whose_clock_is_ahead_is_good(both: Any, secret: str) -> None:
    soon = int(datetime.now(UTC).timestamp()) + tokens.CLOCKS_APART // 2
    for token, send in both:
        ahead = {"iat": soon, "nbf": soon}
        assert send(signed(HEADER, claims_of(token) | ahead, secret)).status_code == 200


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"NaN", b"1" * 400, b"1" * 5000])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_a_time_beyond_measure_makes_no_token(
    both: Any, secret: str, claim: str, number: bytes
) -> None:
    for token, send in both:
        said = json.dumps({**claims_of(token), claim: "TIME"}).encode()
        response = send(signed(HEADER, said.replace(b'"TIME"', number), secret))
        is_far_expiry = claim == "exp" and number == b"1" * 400
        assert response.status_code == 200 if is_far_expiry else refusal(response) == REFUSED


def test_an_access_token_of_another_users_session_is_no_token(
    both: Any, admin: Caller, secret: str
) -> None:
    for token, send in both:
        crossed = {**claims_of(token), "sid": claims_of(admin.token)["sid"]}
        assert refusal(send(signed(HEADER, crossed, secret))) == REFUSED
    assert is_good(admin)


def test_a_token_that_was_proven_before_still_ends_with_its_time(
    officer: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_good(officer)
    expiry = claims_of(officer.token)["exp"]
    monkeypatch.setattr(tokens, "time", lambda: expiry - 1)
    assert is_good(officer)
    monkeypatch.setattr(tokens, "time", lambda: expiry)
    assert not is_good(officer)


def test_a_token_of_another_service_with_the_same_secret_is_no_token(
    officer: Caller, make_app: Callable[..., Flask]
) -> None:
    for change in ({"JWT_ISSUER": "another"}, {"JWT_AUDIENCE": "others"}):
        assert not is_good(Caller(make_app(**change), officer.headers))


def test_a_refused_refresh_token_leaves_the_session_as_it_was(officer: Caller, secret: str) -> None:
    access, holder = session_of(officer)
    forged = signed(HEADER, {**claims_of(holder.token), "aud": "others"}, secret)
    Caller(officer.app, {"Authorization": f"Bearer {forged}"}).post("/auth/refresh")
    assert is_good(access)
    assert holder.post("/auth/refresh").status_code == 200


@pytest.mark.parametrize(
    "payload",
    [b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b'{"a":' * 9000, b"[" * 90000],
    ids=lambda payload: repr(payload[:8]),
)
def test_a_signed_payload_that_is_no_object_is_no_token(
    both: Any, secret: str, payload: bytes
) -> None:
    for _, send in both:
        assert refusal(send(signed(HEADER, payload, secret))) == REFUSED
        assert refusal(send(signed(payload, {}, secret))) == REFUSED


GARBAGE = [
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Bearer   ",
    "Bearer a",
    "Bearer a b",
    "Bearer a.b",
    "Bearer a.b.c",
    "Bearer a.b.c.d",
    "Bearer ....",
    "Bearer null",
    "Bearer undefined",
    "Bearer \xe9\xff\x80",
    "B\xe9arer a.b.c",
    "Basic YWRtaW46YWRtaW4=",
    "Digest username=admin",
    "Token abc",
    "ApiKey abc",
    "bearer",
    ",",
    "Bearer a, Bearer b",
    "Bearer " + "A" * 100_000,
    "Bearer " + "." * 10_000,
    "A" * 100_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:20]))
def test_a_garbage_authorization_is_refused(anyone: Caller, garbage: str) -> None:
    headers = {"Authorization": garbage}
    assert refusal(anyone.get("/auth/users/me", headers=headers)) == REFUSED
    assert refusal(anyone.post("/auth/refresh", headers=headers)) == REFUSED
    assert refusal(anyone.post("/auth/logout", headers=headers)) == REFUSED


@pytest.mark.parametrize(
    "key", ["", " ", "lk_", "\xe9\xff", "lk_" + "A" * 43, "A" * 100_000, "' OR 1=1 --"]
)
def test_a_garbage_api_key_is_refused(anyone: Caller, key: str) -> None:
    assert refusal(anyone.get("/customers/", headers={"X-API-Key": key})) == REFUSED


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT", "Bearer,", "Bearers"])
def test_a_good_token_under_another_scheme_is_refused(officer: Caller, scheme: str) -> None:
    assert not is_good(Caller(officer.app, {"Authorization": f"{scheme} {officer.token}"}))


def test_the_scheme_may_be_written_in_any_case(officer: Caller) -> None:
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert is_good(Caller(officer.app, {"Authorization": f"{scheme} {officer.token}"}))


def test_a_token_is_read_from_nowhere_but_its_header(officer: Caller, anyone: Caller) -> None:
    cookie = {"Cookie": f"access_token_cookie={officer.token}"}
    assert refusal(anyone.get("/auth/users/me", headers=cookie)) == REFUSED
    assert refusal(anyone.get(f"/auth/users/me?jwt={officer.token}")) == REFUSED


def test_two_credentials_in_one_request_are_one_too_many(lender: Lender, admin: Caller) -> None:
    key = key_holder(admin, Role.OFFICER).headers
    for other in (admin.headers, {"Authorization": ""}, {"Authorization": "Basic eDp5"}):
        for method, path in (
            ("get", "/customers/"),
            ("post", "/auth/logout"),
            ("post", "/auth/refresh"),
        ):
            answer = getattr(Caller(lender.app), method)(path, headers={**key, **other})
            assert refusal(answer) == (400, "malformed")
    assert is_good(admin)


def test_nothing_is_told_of_why_a_token_is_no_good(both: Any, secret: str) -> None:
    token, send = both[0]
    forgeries = [
        token[:-3] + "AAA",
        signed(HEADER, {**claims_of(token), "exp": 1}, secret),
        signed(HEADER, {**claims_of(token), "iss": "x"}, secret),
        signed({**HEADER, "kid": "2"}, claims_of(token), secret),
        jwt.encode(claims_of(token), "k" * 64, "HS512", {"kid": "1"}),
    ]
    assert len({send(forged).get_json()["detail"] for forged in forgeries}) == 1


def test_forged_credentials_change_nothing(both: Any, officer: Caller, secret: str) -> None:
    count = "SELECT (SELECT count(*) FROM login_sessions), count(*) FROM audit_events"
    before = execute(officer.app, count), fingerprint(officer.app)
    for token, send in both:
        claims = claims_of(token)
        for forged in (
            signed(HEADER, {**claims, "sub": str(uuid4())}, secret),
            signed({**HEADER, "alg": "none"}, claims, ""),
            signed({**HEADER, "kid": "another"}, claims, secret),
            signed(HEADER, {**claims, "exp": NOW - 3600}, secret),
            signed(HEADER, {**claims, "nbf": NOW + 3600}, secret),
            signed(HEADER, {**claims, "role": "admin", "sid": str(uuid4())}, secret),
            token[:-3],
        ):
            assert refusal(send(forged)) == REFUSED
    assert (execute(officer.app, count), fingerprint(officer.app)) == before
