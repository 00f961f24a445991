"""Every setting of the service: the only module that reads the environment."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from flask import current_app
from limits import RateLimitItem
from marshmallow import ValidationError

from app.config.fields import Network
from app.config.variables import (
    BROKER_URL,
    DEVELOPMENT_SECRET,
    FRAUD_VARIABLES,
    SCHEMA,
    Environment,
    SmtpSecurity,
)
from app.rules.limits import Limit

__all__ = [
    "DEVELOPMENT_SECRET",
    "FRAUD_VARIABLES",
    "VARIABLES",
    "Environment",
    "Network",
    "Settings",
    "SmtpSecurity",
    "UnsafeSettings",
    "current",
    "load",
]

SECRET_MIN_LENGTH = 32
ARGON2_MEMORY_LEAST = 19_456  # KiB; OWASP's floor for Argon2id with two passes
DOTENV = Path(__file__).parents[2] / ".env"


class UnsafeSettings(SystemExit):
    """The service must not start like this; the message names every reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one running service was told. Names are the environment's, in lower case."""

    app_env: Environment
    debug: bool
    secret_key: str
    secret_key_former: str
    database_url: str
    database_read_url: str
    redis_url: str
    database_pool_size: int
    database_pool_timeout: float
    database_lock_timeout_ms: int
    database_statement_timeout_ms: int
    database_behind_pgbouncer: bool
    redis_timeout: float
    use_celery: bool
    celery_broker_url: str
    celery_pulse_file: str
    log_level: str
    api_key_header: str
    allow_self_registration: bool
    bootstrap_by_registration: bool
    password_min_length: int
    argon2_time_cost: int
    argon2_memory_kib: int
    argon2_concurrency: int
    access_token_minutes: int
    refresh_token_days: int
    jwt_issuer: str
    jwt_audience: str
    require_admin_totp: bool
    totp_issuer: str
    ratelimit_enabled: bool
    ratelimit_address: RateLimitItem | None
    ratelimit_caller: RateLimitItem | None
    ratelimit_bad_credentials: RateLimitItem | None
    ratelimit_login: RateLimitItem | None
    ratelimit_refresh: RateLimitItem | None
    ratelimit_register: RateLimitItem | None
    ratelimit_second_factor: RateLimitItem | None
    login_failures_allowed: int
    login_failure_window_minutes: int
    currency: str
    idempotency_hours: int
    max_import_bytes: int
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    admin_url: str
    admin_honeypot_url: str
    console_idle_minutes: int
    metrics_token: str
    prometheus_multiproc_dir: str
    sentry_dsn: str
    otel_exporter_otlp_endpoint: str
    otel_traces_sampler_arg: float
    profile: bool
    cache_enabled: bool
    fraud: Mapping[str, Limit]
    public_email_providers: frozenset[str]
    auto_approve_below: Decimal | None
    auto_approve_risk_below: Decimal
    smtp_host: str
    smtp_port: int
    smtp_security: SmtpSecurity
    smtp_username: str
    smtp_password: str
    mail_from: str

    @property
    def is_exposed(self) -> bool:
        """Whether strangers reach this environment: staging and production."""
        return self.app_env in (Environment.STAGING, Environment.PRODUCTION)

    @property
    def broker_url(self) -> str:
        """The Redis that Celery's messages go through."""
        return self.celery_broker_url or self.redis_url


VARIABLES = tuple(name.upper() for name in SCHEMA().fields)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ`; by default the process's, with `.env` beneath it.

    Raises UnsafeSettings, naming every variable that is missing, malformed or unsafe.
    """
    if environ is None:
        environ = {**_dotenv(), **os.environ}
    given = {name.lower(): environ[name] for name in VARIABLES if environ.get(name)}
    try:
        values: dict[str, Any] = SCHEMA().load(given)
    except ValidationError as error:
        reasons = [f"{name.upper()}: {reason}" for name, reason in error.messages_dict.items()]
        raise UnsafeSettings(_refusal(reasons)) from None
    values.setdefault("bootstrap_by_registration", values["app_env"] != Environment.PRODUCTION)
    values["fraud"] = {name: values.pop(variable) for variable, name in FRAUD_VARIABLES.items()}
    settings = Settings(**values)
    if reasons := [*_contradictions(settings), *_dangers(settings)]:
        raise UnsafeSettings(_refusal(reasons))
    return settings


def current() -> Settings:
    """The settings of the application at work."""
    settings: Settings = current_app.extensions["settings"]
    return settings


def _contradictions(settings: Settings) -> Iterator[str]:
    if settings.use_celery and not BROKER_URL.fullmatch(settings.broker_url):
        yield (
            "CELERY_BROKER_URL, or REDIS_URL in its place: Celery takes redis://…/database or "
            "rediss://…/database, with no options but those of TLS (ssl_…)."
        )
    console, honeypot = settings.admin_url, settings.admin_honeypot_url
    if console.startswith(honeypot) or honeypot.startswith(console):
        yield "ADMIN_URL, ADMIN_HONEYPOT_URL: the one lies within the other."


def _dangers(settings: Settings) -> list[str]:
    if not settings.is_exposed:
        return []
    checks = {
        "SECRET_KEY: the development secret is public.": settings.secret_key == DEVELOPMENT_SECRET,
        f"SECRET_KEY: shorter than {SECRET_MIN_LENGTH} characters.": len(settings.secret_key)
        < SECRET_MIN_LENGTH,
        "ARGON2_MEMORY_KIB, ARGON2_TIME_COST: too cheap to guess; at least 19456 and 2.": (
            settings.argon2_memory_kib < ARGON2_MEMORY_LEAST or settings.argon2_time_cost < 2
        ),
        "DEBUG: shows strangers the inside of the service.": settings.debug,
        "PROFILE: writes down every request, and slows it.": settings.profile,
        "CORS_ORIGINS: a wildcard lets any site use a visitor's session.": any(
            "*" in origin for origin in settings.cors_origins
        ),
        "TRUSTED_PROXIES: everyone's word would be believed.": any(
            network.prefixlen == 0 for network in settings.trusted_proxies
        ),
        "SMTP_SECURITY: a password must not travel in the clear.": bool(settings.smtp_password)
        and settings.smtp_security is SmtpSecurity.NONE,
        "MAIL_FROM: nobody's address; mail servers refuse or drop what comes from it.": bool(
            settings.smtp_host
        )
        and settings.mail_from.lower().endswith("localhost.localdomain"),
    }
    return [reason for reason, dangerous in checks.items() if dangerous]


def _dotenv() -> dict[str, str]:
    return {name: value for name, value in dotenv_values(DOTENV).items() if value is not None}


def _refusal(reasons: list[str]) -> str:
    return "The service does not start with these settings:\n" + "\n".join(
        f"  - {reason}" for reason in reasons
    )
