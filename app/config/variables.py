"""The environment's variables: their names, types, bounds and defaults."""

import re
from decimal import Decimal
from enum import StrEnum

from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp
from redis.connection import parse_url

from app.config.fields import Domains, Figure, Names, Networks, Pace, Place, RuleLimit
from app.rules import fraud, risk

DEVELOPMENT_SECRET = "only-for-development-and-refused-elsewhere"  # noqa: S105 (public)
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


# What a browser sends as Origin, or any of them.
ORIGIN = re.compile(r"https?://[^/\s,*?#@\\]+|\*", re.ASCII)


def _origins(names: tuple[str, ...]) -> None:
    if wrong := [name for name in names if not ORIGIN.fullmatch(name)]:
        raise ValidationError(f"{wrong[0]!r} is no origin like https://console.lender.example.")


def _redis_url(value: str) -> None:
    try:
        parse_url(value)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ValidationError(str(error)) from None


# What Redis's client and Celery's both read alike: no options but those of TLS.
BROKER_URL = re.compile(r"rediss?://[^?#;\s]*(\?ssl_\w+=[^&#;\s]*(&ssl_\w+=[^&#;\s]*)*)?", re.ASCII)
_POSTGRES_URL = Regexp(r"postgres(ql)?(\+psycopg)?://")


def _whole(default: int, least: int, most: int) -> fields.Integer:
    return fields.Integer(load_default=default, validate=Range(least, most))


class _Variables(Schema):
    """The environment's variables, their types, bounds and defaults."""

    class Meta:
        unknown = EXCLUDE

    app_env = fields.Enum(Environment, by_value=True, load_default=Environment.DEVELOPMENT)
    debug = fields.Boolean(load_default=False)
    secret_key = fields.String(load_default=DEVELOPMENT_SECRET)
    secret_key_former = fields.String(load_default="")
    database_url = fields.String(required=True, validate=_POSTGRES_URL)
    database_read_url = fields.String(load_default="", validate=_POSTGRES_URL)
    redis_url = fields.String(required=True, validate=_redis_url)
    database_pool_size = _whole(8, 1, 200)
    database_pool_timeout = fields.Float(load_default=5.0, validate=Range(0.1, 60))
    database_lock_timeout_ms = _whole(3_000, 1, 60_000)
    database_statement_timeout_ms = _whole(10_000, 1, 600_000)
    database_behind_pgbouncer = fields.Boolean(load_default=False)
    redis_timeout = fields.Float(load_default=0.05, validate=Range(0.001, 5))
    use_celery = fields.Boolean(load_default=False)
    celery_broker_url = fields.String(load_default="", validate=_redis_url)
    celery_pulse_file = fields.String(load_default="")
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
    require_admin_totp = fields.Boolean(load_default=False)
    totp_issuer = fields.String(
        load_default="Loan service", validate=Regexp(r"[^:\x00-\x1f\x7f]{1,40}\Z")
    )
    ratelimit_enabled = fields.Boolean(load_default=True)
    ratelimit_address = Pace("12000/minute")
    ratelimit_caller = Pace("6000/minute")
    ratelimit_bad_credentials = Pace("120/minute")
    ratelimit_login = Pace("30/minute")
    ratelimit_refresh = Pace("120/minute")
    ratelimit_register = Pace("30/minute")
    ratelimit_second_factor = Pace("30/minute")
    login_failures_allowed = _whole(10, 1, 1_000)
    login_failure_window_minutes = _whole(15, 1, 1_440)
    currency = fields.String(load_default="USD", validate=Regexp(r"[A-Z]{3}\Z"))
    idempotency_hours = _whole(24, 24, 8_760)
    # As many lines may there be as PostgreSQL's integers count.
    max_import_bytes = _whole(256 * 1024**2, 1, 2**31 - 1)
    cors_origins = Names(load_default=(), validate=_origins)
    trusted_proxies = Networks(load_default=())
    admin_url = Place(load_default="/console/")
    admin_honeypot_url = Place(load_default="/admin/")
    console_idle_minutes = _whole(30, 5, 720)
    metrics_token = fields.String(load_default="")
    prometheus_multiproc_dir = fields.String(load_default="")
    sentry_dsn = fields.String(load_default="", validate=Regexp(r"https?://\w+@[^@\s]+/\d+\Z"))
    otel_exporter_otlp_endpoint = fields.String(
        load_default="", validate=Regexp(r"https?://[^\s?#]+\Z")
    )
    otel_traces_sampler_arg = fields.Float(load_default=1.0, validate=Range(0, 1))
    profile = fields.Boolean(load_default=False)
    cache_enabled = fields.Boolean(load_default=True)
    public_email_providers = Domains(load_default=frozenset(PUBLIC_EMAIL_PROVIDERS.split(",")))
    auto_approve_below = Figure(r"[0-9]{1,12}(\.[0-9]{1,2})?", load_default=None)
    auto_approve_risk_below = Figure(
        r"[01](\.[0-9]{1,2})?",
        load_default=Decimal("0.50"),
        validate=Range(max=risk.ACCEPTABLE_BELOW),
    )
    smtp_host = fields.String(load_default="")
    smtp_port = _whole(587, 1, 65_535)
    smtp_security = fields.Enum(SmtpSecurity, by_value=True, load_default=SmtpSecurity.STARTTLS)
    smtp_username = fields.String(load_default="")
    smtp_password = fields.String(load_default="")
    mail_from = fields.Email(load_default="loans@localhost.localdomain")


FRAUD_VARIABLES = {f"fraud_{name.replace('-', '_')}": name for name in fraud.RULES}
SCHEMA = _Variables.from_dict(
    {variable: RuleLimit(fraud.RULES[name]) for variable, name in FRAUD_VARIABLES.items()}
)
