"""Users, log-ins, tokens and API keys on the wire."""

from datetime import UTC, datetime

from marshmallow import Schema, ValidationError, fields, validates

from app.models import Role
from app.schemas.common import ListFilter, Query
from app.schemas.fields import Choice, Email, Id, Instant, Otp, Secret, Text, Truth


class RegisterIn(Schema):
    email = Email(required=True)
    password = Secret(128, required=True)
    nickname = Text(60, allow_none=True)
    role = Choice(*Role)


class LoginIn(Schema):
    email = Text(254, required=True)
    password = Secret(1024, required=True)
    otp = Otp()


class TokenPairOut(Schema):
    """A short-lived access token, and the refresh token that buys the next pair, once."""

    access_token = fields.String(dump_only=True)
    refresh_token = fields.String(dump_only=True)
    token_type = fields.String(dump_only=True)
    expires_in = fields.Integer(dump_only=True, metadata={"description": "Seconds."})


class UserOut(Schema):
    is_tagged = True

    id = Id(dump_only=True)
    email = fields.String(dump_only=True)
    nickname = fields.String(dump_only=True, allow_none=True)
    role = Choice(*Role, dump_only=True)
    is_active = fields.Boolean(dump_only=True)
    has_totp = fields.Boolean(dump_only=True)
    created_at = Instant(dump_only=True)
    last_login_at = Instant(dump_only=True, allow_none=True)


class UserFilter(Query):
    role = Choice(*Role)
    is_active = Truth()
    q = Text(100)


class UserListFilter(UserFilter, ListFilter):
    pass


class UserPatchIn(Schema):
    role = Choice(*Role)
    is_active = Truth()
    nickname = Text(60, allow_none=True)


class NicknameIn(Schema):
    nickname = Text(60, allow_none=True, required=True)


class PasswordChangeIn(Schema):
    current_password = Secret(1024, required=True)
    new_password = Secret(128, required=True)


class TotpIn(Schema):
    current_password = Secret(1024, required=True)


class TotpOut(Schema):
    """The only answer that shows the secret: as it is, as a link, and as a QR code."""

    secret = fields.String(dump_only=True)
    otpauth_uri = fields.String(dump_only=True)
    qr_svg = fields.String(dump_only=True)


class OtpIn(Schema):
    otp = Otp(required=True)


class TotpEndIn(Schema):
    current_password = Secret(1024, required=True)
    otp = Otp(required=True)


class RecoveryCodesOut(Schema):
    """The only answer that shows the codes, each of which stands in for one of the app's, once."""

    recovery_codes = fields.List(fields.String(), dump_only=True)


class ApiKeyIn(Schema):
    name = Text(60, required=True)
    role = Choice(Role.OFFICER, Role.APPLICANT, required=True)
    expires_at = Instant(allow_none=True)

    @validates("expires_at")
    def _must_be_ahead(self, moment: datetime | None, **_: object) -> None:
        if moment is not None and moment <= datetime.now(UTC):
            raise ValidationError("Must lie in the future.")


class ApiKeyOut(Schema):
    id = Id(dump_only=True)
    name = fields.String(dump_only=True)
    prefix = fields.String(dump_only=True)
    role = Choice(*Role, dump_only=True)
    created_at = Instant(dump_only=True)
    expires_at = Instant(dump_only=True, allow_none=True)
    last_used_at = Instant(dump_only=True, allow_none=True)


class NewApiKeyOut(Schema):
    """The only answer that shows the key itself."""

    key = fields.String(dump_only=True)
    id = Id(attribute="record.id", dump_only=True)
    name = fields.String(attribute="record.name", dump_only=True)
    prefix = fields.String(attribute="record.prefix", dump_only=True)
    role = Choice(*Role, attribute="record.role", dump_only=True)
    created_at = Instant(attribute="record.created_at", dump_only=True)
    expires_at = Instant(attribute="record.expires_at", dump_only=True, allow_none=True)
    last_used_at = Instant(attribute="record.last_used_at", dump_only=True, allow_none=True)
