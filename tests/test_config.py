"""Settings: read once, typed, and refused where they would be dangerous."""

import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from app import config
from app.config import DEVELOPMENT_SECRET, VARIABLES, Environment, UnsafeSettings
from app.config.fields import TAKEN
from tests.attacks import routes

MINIMAL = {"DATABASE_URL": "postgresql://u@h/d", "REDIS_URL": "redis://h"}
SAFE = {**MINIMAL, "APP_ENV": "production", "SECRET_KEY": "x" * 32}
ROOT = Path(__file__).parents[1]


def test_a_laptop_needs_only_its_servers() -> None:
    settings = config.load(MINIMAL)
    assert settings.app_env is Environment.DEVELOPMENT
    assert (settings.access_token_minutes, settings.refresh_token_days) == (15, 30)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        config.load(MINIMAL).debug = True  # type: ignore[misc]


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": DEVELOPMENT_SECRET}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 31}, "SECRET_KEY"),
        ({"DEBUG": "true"}, "DEBUG"),
        ({"ARGON2_MEMORY_KIB": "19455"}, "ARGON2_MEMORY_KIB"),
        ({"ARGON2_TIME_COST": "1"}, "ARGON2_TIME_COST"),
        ({"CORS_ORIGINS": "https://a.example, *"}, "CORS_ORIGINS"),
        ({"TRUSTED_PROXIES": "10.0.0.0/8, 0.0.0.0/0"}, "TRUSTED_PROXIES"),
        ({"TRUSTED_PROXIES": "::/0"}, "TRUSTED_PROXIES"),
        ({"SMTP_PASSWORD": "secret", "SMTP_SECURITY": "none"}, "SMTP_SECURITY"),
        ({"SMTP_HOST": "mail.example"}, "MAIL_FROM"),
        ({"SMTP_HOST": "mail.example", "MAIL_FROM": "a@LocalHost.LocalDomain"}, "MAIL_FROM"),
    ],
)
@pytest.mark.parametrize("environment", ["staging", "production"])
def test_an_exposed_environment_refuses_to_start_unsafely(
    environment: str, unsafe: dict[str, str], named: str
) -> None:
    assert config.load({**SAFE, "APP_ENV": environment})
    with pytest.raises(UnsafeSettings, match=named):
        config.load({**SAFE, "APP_ENV": environment, **unsafe})


@pytest.mark.parametrize("environment", list(Environment))
def test_mail_is_sent_by_a_server_from_an_address_of_ones_own(environment: Environment) -> None:
    own = {"SMTP_HOST": "mail.example", "MAIL_FROM": "loans@lender.example.com"}
    login = {"SMTP_USERNAME": "loans", "SMTP_PASSWORD": "secret"}
    settings = config.load({**SAFE, "APP_ENV": environment, **own, **login})
    assert settings.mail_from == "loans@lender.example.com"


def test_a_laptop_may_mail_from_anywhere_and_unprotected() -> None:
    unsafe = {"SMTP_HOST": "localhost", "SMTP_PASSWORD": "secret", "SMTP_SECURITY": "none"}
    assert config.load({**MINIMAL, **unsafe}).mail_from == "loans@localhost.localdomain"


def test_every_danger_is_named_at_once() -> None:
    unsafe = {**SAFE, "SECRET_KEY": "short", "DEBUG": "true", "CORS_ORIGINS": "*"}
    with pytest.raises(UnsafeSettings) as refused:
        config.load(unsafe)
    assert all(name in str(refused.value) for name in ("SECRET_KEY", "DEBUG", "CORS_ORIGINS"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"DATABASE_URL": "sqlite://"},
        {"DATABASE_URL": ""},
        {"REDIS_URL": "http://h"},
        {"APP_ENV": "prod"},
        {"PASSWORD_MIN_LENGTH": "7"},
        {"ACCESS_TOKEN_MINUTES": "0"},
        {"RATELIMIT_ENABLED": "perhaps"},
        {"LOG_LEVEL": "LOUD"},
        {"AUTO_APPROVE_RISK_BELOW": "0.76"},
    ],
)
def test_a_malformed_variable_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(UnsafeSettings, match=next(iter(wrong))):
        config.load({**MINIMAL, **wrong})


def test_the_environment_wins_over_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("DATABASE_URL=postgresql://file/d\nREDIS_URL=redis://file\nJWT_ISSUER=file\n")
    monkeypatch.setattr(config, "DOTENV", dotenv)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JWT_ISSUER", "environment")
    settings = config.load()
    assert (settings.redis_url, settings.jwt_issuer) == ("redis://file", "environment")


def test_the_policy_may_approve_whatever_an_admin_may() -> None:
    settings = config.load({**MINIMAL, "AUTO_APPROVE_RISK_BELOW": "0.75"})
    assert str(settings.auto_approve_risk_below) == "0.75"


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis://h",
        "redis://user:p%3Bss@h:6380/1",
        "rediss://h/0",
        "rediss://h/0?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=true",
    ],
)
def test_celery_speaks_to_the_redis_that_is_named(url: str) -> None:
    settings = {"CELERY_BROKER_URL": url, "USE_CELERY": "true"}
    assert config.load({**MINIMAL, **settings}).broker_url == url


def test_celery_speaks_to_the_redis_there_is_when_none_is_named() -> None:
    assert config.load({**MINIMAL, "USE_CELERY": "true"}).broker_url == MINIMAL["REDIS_URL"]


def test_a_process_by_itself_leaves_nothing_to_workers() -> None:
    assert config.load(MINIMAL).use_celery is False


@pytest.mark.parametrize("environment", list(Environment))
def test_only_production_asks_for_the_command_line_for_its_first_admin(
    environment: Environment,
) -> None:
    settings = config.load({**SAFE, "APP_ENV": environment})
    assert settings.bootstrap_by_registration is (environment != Environment.PRODUCTION)


def test_the_example_file_names_every_variable() -> None:
    named = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert set(VARIABLES) <= named


def test_gunicorn_stops_on_unsafe_settings_and_names_them(environ: dict[str, str]) -> None:
    unsafe = {**os.environ, **environ, "APP_ENV": "production", "SECRET_KEY": "short", "PORT": "0"}
    # Of two workers that fail in one instant, gunicorn ends with 1 and a traceback of its own.
    unsafe["WEB_CONCURRENCY"] = "1"
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    done = subprocess.run(
        command, cwd=ROOT, env=unsafe, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "SECRET_KEY: shorter than 32 characters." in done.stderr
    assert "Traceback" not in done.stderr


def test_gunicorn_takes_no_notice_that_is_as_long_as_the_end(environ: dict[str, str]) -> None:
    asked = {"GUNICORN_NOTICE_SECONDS": "25", "PORT": "0"}
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "must be less than GUNICORN_GRACEFUL_TIMEOUT" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"REDIS_URL": "redis://h:99999/0"},
        {"REDIS_URL": "redis://h:port/0"},
        {"REDIS_URL": "redis://h?db=first"},
        {"CELERY_BROKER_URL": "amqp://h"},
        {"CELERY_BROKER_URL": "unix:///redis.sock", "USE_CELERY": "true"},
        {"CELERY_BROKER_URL": "redis://h/0?db=1", "USE_CELERY": "true"},
        {"CELERY_BROKER_URL": "redis://h/0;redis://other/0", "USE_CELERY": "true"},
        {"REDIS_URL": "redis://h/0?socket_timeout=1", "USE_CELERY": "true"},
        {"USE_CELERY": "perhaps"},
        {"AUTO_APPROVE_BELOW": "1e5"},
        {"AUTO_APPROVE_BELOW": "10_000"},
        {"AUTO_APPROVE_BELOW": "0.001"},
        {"AUTO_APPROVE_BELOW": "NaN"},
        {"AUTO_APPROVE_RISK_BELOW": "0.7500000001"},
        {"PUBLIC_EMAIL_PROVIDERS": "gmail.com, not a domain"},
        {"FRAUD_VELOCITY": "treshold=5"},
        {"FRAUD_DISPOSABLE_EMAIL": "threshold=1"},
        {"IDEMPOTENCY_HOURS": "23"},
        {"IDEMPOTENCY_HOURS": "8761"},
        {"CORS_ORIGINS": "console.lender.example"},
        {"CORS_ORIGINS": "https://console.lender.example/"},
        {"CORS_ORIGINS": "https://*.lender.example"},
        {"CORS_ORIGINS": "https://a.example, null"},
        {"TRUSTED_PROXIES": "proxy.lender.example"},
        {"TRUSTED_PROXIES": "10.0.0.1/8"},
        {"TRUSTED_PROXIES": "10.0.0.0/255.0.0.0"},
        {"TRUSTED_PROXIES": "fe80::1%eth0"},
        {"CURRENCY": "usd"},
        {"CURRENCY": "EURO"},
        {"DATABASE_BEHIND_PGBOUNCER": "perhaps"},
        {"REQUIRE_ADMIN_TOTP": "perhaps"},
        {"TOTP_ISSUER": "Lender: loans"},
        {"TOTP_ISSUER": "x" * 41},
        {"TOTP_ISSUER": "Lender\n"},
        {"ADMIN_URL": "/"},
        {"ADMIN_URL": "console here"},
        {"ADMIN_URL": "/../etc/"},
        {"ADMIN_URL": "https://elsewhere.example/"},
        {"ADMIN_URL": "/loans/"},
        {"ADMIN_URL": "/auth/console/"},
        {"ADMIN_HONEYPOT_URL": "/customers"},
        {"ADMIN_URL": "/admin/"},
        {"ADMIN_URL": "/admin/desk/"},
        {"ADMIN_URL": "/desk/", "ADMIN_HONEYPOT_URL": "/desk/login/"},
        {"CONSOLE_IDLE_MINUTES": "4"},
        {"CONSOLE_IDLE_MINUTES": "721"},
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(wrong: dict[str, str]) -> None:
    with pytest.raises(UnsafeSettings, match=next(iter(wrong))):
        config.load({**MINIMAL, **wrong})


@pytest.mark.parametrize("written", ["back-office", "/back-office", "/back-office/"])
def test_a_place_has_a_slash_at_both_ends(written: str) -> None:
    assert config.load({**MINIMAL, "ADMIN_URL": written}).admin_url == "/back-office/"


def test_no_place_of_a_page_is_one_of_the_api() -> None:
    taken = {route.rule.rule.split("/")[1] for route in routes()} - {"", "openapi.json"}
    assert taken <= TAKEN
