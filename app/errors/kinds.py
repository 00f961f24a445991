"""The kinds of what can go wrong. A kind decides the status in HTTP; that is done elsewhere."""

import re
from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """A refusal that its caller can read.

    `title` is fixed for the class, `detail` says what happened this time, `code` is the class name
    in kebab case and never changes once published.
    """

    title: ClassVar[str] = "The request was refused"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or f"{self.title}."
        super().__init__(self.detail)

    @classmethod
    def code(cls) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()


class Malformed(DomainError):
    """The request cannot be read at all."""

    title = "Malformed request"


class Unauthenticated(DomainError):
    """No credential, or one that is not good (any more)."""

    title = "Authentication required"


class Forbidden(DomainError):
    """The caller is known and may not do this."""

    title = "Not allowed"


class NotFound(DomainError):
    """Absent, or not the caller's to see: the two cannot be told apart."""

    title = "Not found"


class Conflict(DomainError):
    """The present state of a record forbids it."""

    title = "Conflict with the present state"


class Stale(DomainError):
    """The caller decided on a version of the record that is no longer the current one."""

    title = "The record has changed"


class Refused(DomainError):
    """Readable and permitted, but a business rule says no."""

    title = "Refused by a business rule"


class Invalid(Refused):
    """Values that do not pass validation, told field by field."""

    title = "Invalid input"

    def __init__(self, errors: Mapping[str, object], detail: str | None = None) -> None:
        super().__init__(detail or "Some values are not valid; see errors.")
        self.errors = errors


class TooMany(DomainError):
    """Too often; `retry_after` seconds from now it is worth another try."""

    title = "Too many requests"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(DomainError):
    """Something the service stands on is away for the moment."""

    title = "Temporarily unavailable"
    retry_after: ClassVar[int] = 1
