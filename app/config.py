"""Every setting of the service: the only module that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from flask import current_app
from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from app.rules import fraud, limits, risk
from app.rules.limits import Limit

DEVELOPMENT_SECRET = "only-for-development-and-refused-elsewhere"  # noqa: S105
SECRET_MIN_LENGTH = 32
ARGON2_MEMORY_LEAST = 19_456  # KiB; OWASP's floor for Argon2id with two passes
# Domains at which anyone gets an address: how many customers share one says nothing.
PUBLIC_EMAIL_PROVIDERS = (
    "126.com,163.com,aol.com,bol.com.br,daum.net,fastmail.com,free.fr,gmail.com,gmx.at,gmx.ch,"
    "gmx.com,gmx.de,gmx.net,googlemail.com,hanmail.net,hey.com,hotmail.co.uk,hotmail.com,"
    "hotmail.de,hotmail.es,hotmail.fr,hotmail.it,icloud.com,interia.pl,laposte.net,libero.it,"
    "live.com,mac.com,mail.com,mail.ru,me.com,msn.com,naver.com,o2.pl,orange.fr,outlook.com,"
    "outlook.de,outlook.es,outlook.fr,pm.me,proton.me,protonmail.com,qq.com,rediffmail.com,"
    "seznam.cz,sfr.fr,sina.com,t-online.de,terra.com.br,tuta.com,tutanota.com,uol.com.br,"
    "virgilio.it,web.de,wp.pl,yahoo.co.in,yahoo.co.jp,yahoo.co.uk,yahoo.com,yahoo.com.br,yahoo.de,"
    "yahoo.es,yahoo.fr,yahoo.in,yahoo.it,yandex.com,yandex.ru,ymail.com,zoho.com"
)
DOTENV = Path(__file__).parent.parent / ".env"


class Environment(StrEnum):
    DEVELOPMENT = "development"
    TESTING = "testing"
    STAGING = "staging"
    PRODUCTION = "production"


class SmtpSecurity(StrEnum):
    """How the way to the mail server is protected: from the first byte, after a greeting, not."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class UnsafeSettings(SystemExit):
    """The service must not start like this; the message names every reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one running service was told. Names are the environment's, in lower case."""

    app_env: Environment
    debug: bool
    secret_key: str
    database_url: str
    redis_url: str
    database_pool_size: int
    database_pool_timeout: float
    database_lock_timeout_ms: int
    database_statement_timeout_ms: int
    redis_timeout: float
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
    ratelimit_enabled: bool
    login_failures_allowed: int
    login_failure_window_minutes: int
    cors_origins: tuple[str, ...]
    metrics_token: str
    prometheus_multiproc_dir: str
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


class _Names(fields.Field[tuple[str, ...]]):
    """A comma-separated list."""

    def _deserialize(self, value: str, *_: Any, **__: Any) -> tuple[str, ...]:
        return tuple(name.strip() for name in value.split(",") if name.strip())


class _Limit(fields.Field[Limit]):
    """The limit of one fraud rule: on, off, threshold=…, window=…, separated by commas."""

    def __init__(self, rule: fraud.Rule) -> None:
        super().__init__(load_default=rule.limit)
        self.rule = rule

    def _deserialize(self, value: str, *_: Any, **__: Any) -> Limit:
        try:
            return limits.changed(self.rule.limit, value, takes=self.rule.takes)
        except ValueError as error:
            raise ValidationError(str(error)) from None


def _whole(default: int, least: int, most: int) -> fields.Integer:
    return fields.Integer(load_default=default, validate=Range(least, most))


class _Variables(Schema):
    """The environment's variables, their types, bounds and defaults."""

    class Meta:
        unknown = EXCLUDE

    app_env = fields.Enum(Environment, by_value=True, load_default=Environment.DEVELOPMENT)
    debug = fields.Boolean(load_default=False)
    secret_key = fields.String(load_default=DEVELOPMENT_SECRET)
    database_url = fields.String(required=True, validate=Regexp(r"postgres(ql)?(\+psycopg)?://"))
    redis_url = fields.String(required=True, validate=Regexp(r"(rediss?|unix)://"))
    database_pool_size = _whole(8, 1, 200)
    database_pool_timeout = fields.Float(load_default=5.0, validate=Range(0.1, 60))
    database_lock_timeout_ms = _whole(3_000, 1, 60_000)
    database_statement_timeout_ms = _whole(10_000, 1, 600_000)
    redis_timeout = fields.Float(load_default=0.05, validate=Range(0.001, 5))
    log_level = fields.String(
        load_default="INFO", validate=OneOf(("DEBUG", "INFO", "WARNING", "ERROR"))
    )
    api_key_header = fields.String(load_default="X-API-Key", validate=Regexp(r"[A-Za-z0-9-]+\Z"))
    allow_self_registration = fields.Boolean(load_default=False)
    bootstrap_by_registration = fields.Boolean()
    password_min_length = _whole(8, 8, 128)
    argon2_time_cost = _whole(3, 1, 20)
    argon2_memory_kib = _whole(65_536, 8, 4_194_304)
    argon2_concurrency = _whole(2, 1, 64)
    access_token_minutes = _whole(15, 1, 1_440)
    refresh_token_days = _whole(30, 1, 365)
    jwt_issuer = fields.String(load_default="loan-service", validate=Length(1, 200))
    jwt_audience = fields.String(load_default="loan-service-clients", validate=Length(1, 200))
    ratelimit_enabled = fields.Boolean(load_default=True)
    login_failures_allowed = _whole(10, 1, 1_000)
    login_failure_window_minutes = _whole(15, 1, 1_440)
    cors_origins = _Names(load_default=())
    metrics_token = fields.String(load_default="")
    prometheus_multiproc_dir = fields.String(load_default="")
    cache_enabled = fields.Boolean(load_default=True)
    public_email_providers = _Names(load_default=tuple(PUBLIC_EMAIL_PROVIDERS.split(",")))
    auto_approve_below = fields.Decimal(
        load_default=None, validate=Range(Decimal("0.01"), Decimal("999999999999.99"))
    )
    auto_approve_risk_below = fields.Decimal(
        load_default=Decimal("0.50"), validate=Range(0, risk.ACCEPTABLE_BELOW)
    )
    smtp_host = fields.String(load_default="")
    smtp_port = _whole(587, 1, 65_535)
    smtp_security = fields.Enum(SmtpSecurity, by_value=True, load_default=SmtpSecurity.STARTTLS)
    smtp_username = fields.String(load_default="")
    smtp_password = fields.String(load_default="")
    mail_from = fields.Email(load_default="loans@localhost.localdomain")


FRAUD_VARIABLES = {f"fraud_{name.replace('-', '_')}": name for name in fraud.RULES}
_SCHEMA = _Variables.from_dict(
    {variable: _Limit(fraud.RULES[name]) for variable, name in FRAUD_VARIABLES.items()}
)
VARIABLES = tuple(name.upper() for name in _SCHEMA().fields)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `environ`; by default the process's, with `.env` beneath it.

    Raises UnsafeSettings, naming every variable that is missing, malformed or unsafe.
    """
    if environ is None:
        environ = {**_dotenv(), **os.environ}
    given = {name.lower(): environ[name] for name in VARIABLES if environ.get(name)}
    try:
        values: dict[str, Any] = _SCHEMA().load(given)
    except ValidationError as error:
        reasons = [f"{name.upper()}: {reason}" for name, reason in error.messages_dict.items()]
        raise UnsafeSettings(_refusal(reasons)) from None
    values.setdefault("bootstrap_by_registration", values["app_env"] != Environment.PRODUCTION)
    values["fraud"] = {name: values.pop(variable) for variable, name in FRAUD_VARIABLES.items()}
    values["public_email_providers"] = frozenset(map(str.lower, values["public_email_providers"]))
    settings = Settings(**values)
    if reasons := _dangers(settings):
        raise UnsafeSettings(_refusal(reasons))
    return settings


def current() -> Settings:
    """The settings of the application at work."""
    settings: Settings = current_app.extensions["settings"]
    return settings


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
        "CORS_ORIGINS: a wildcard lets any site use a visitor's session.": any(
            "*" in origin for origin in settings.cors_origins
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
