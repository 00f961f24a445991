"""One-time passwords by the clock: those of RFC 6238, one step aside at most, and none before."""

from datetime import UTC, datetime, timedelta

import pytest
from pyotp import TOTP, parse_uri

from app.rules import totp

# RFC 6238, appendix B, for SHA-1: of its eight digits the last six. "12345678901234567890".
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
NOW = int(NOON.timestamp()) // 30


def code(steps: int) -> str:
    return TOTP(SECRET).generate_otp(NOW + steps)


@pytest.mark.parametrize(("seconds", "expected"), VECTORS.items())
def test_the_codes_are_those_of_the_standard(seconds: int, expected: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.step_of(SECRET, expected, at=at) == seconds // 30


@pytest.mark.parametrize("second", [0, 1, 29])
@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_is_good_a_step_before_its_time_and_a_step_after(steps: int, second: int) -> None:
    at = NOON + timedelta(seconds=second)
    assert totp.step_of(SECRET, code(steps), at=at) == NOW + steps


@pytest.mark.parametrize("second", [0, 1, 29])
@pytest.mark.parametrize("steps", [-2, 2, -3, 3, 2_880])
def test_it_is_not_good_two_steps_aside(steps: int, second: int) -> None:
    assert totp.step_of(SECRET, code(steps), at=NOON + timedelta(seconds=second)) is None


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_it_is_good_after_an_earlier_one_alone(steps: int) -> None:
    for last in (-2, -1, 0, 1, 2):
        found = totp.step_of(SECRET, code(steps), at=NOON, after=NOW + last)
        assert found == (NOW + steps if steps > last else None)


@pytest.mark.parametrize("other", ["", "0", "00000", "0000000", "abcd-efgh-ijkl-mnop"])
def test_what_is_no_code_is_of_no_step(other: str) -> None:
    assert totp.step_of(SECRET, other, at=NOON) is None


def test_the_uri_holds_all_that_an_app_has_to_know() -> None:
    uri = totp.uri(SECRET, issuer="Lender & Sons", account="ada+1@lender.example.com")
    read = parse_uri(uri)
    assert isinstance(read, TOTP)
    assert (read.secret, read.issuer, read.name) == (
        *(SECRET, "Lender & Sons", "ada+1@lender.example.com"),
    )
    assert (read.digits, read.interval, read.digest().name) == (6, 30, "sha1")
