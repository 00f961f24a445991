"""What can go wrong, in the lender's words. HTTP is decided elsewhere, by kind."""

from app.errors.kinds import (
    Conflict,
    DomainError,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Refused,
    Stale,
    TooMany,
    Unauthenticated,
    Unavailable,
)

# Beside what is made here.
__all__ = [
    "Conflict",
    "DomainError",
    "Forbidden",
    "Invalid",
    "Malformed",
    "NotFound",
    "Refused",
    "Stale",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
]


class DatabaseAway(Unavailable):
    title = "The database is away"


class DatabaseBusy(Unavailable):
    title = "The database is busy"


class HashingBusy(Unavailable):
    title = "Too many passwords to check at once"


class ExportsBusy(Unavailable):
    title = "Too many exports at once"
    retry_after = 10


class Contended(Unavailable):
    """PostgreSQL chose this transaction as the victim of a deadlock or serialization failure."""

    title = "Too much contention"


class InvalidCredentials(Unauthenticated):
    title = "Invalid Credentials"


class OtpRequired(Unauthenticated):
    title = "A one-time password is required"


class AdminOnly(Forbidden):
    title = "Only an admin may do this"


class StaffOnly(Forbidden):
    title = "Only an officer or an admin may do this"


class UserOnly(Forbidden):
    title = "Only a signed-in user may do this"


class SecondFactorRequired(Forbidden):
    title = "An admin must set up a second factor first"


class OwnSecondFactor(Forbidden):
    title = "One's own second factor takes one's password and a one-time password"


class ForeignForm(Forbidden):
    title = "This form was not sent from its own page"


class UserNotFound(NotFound):
    title = "User not found"


class ApiKeyNotFound(NotFound):
    title = "API key not found"


class CustomerNotFound(NotFound):
    title = "Customer not found"


class LoanNotFound(NotFound):
    title = "Loan not found"


class PaymentNotFound(NotFound):
    title = "Payment not found"


class ImportNotFound(NotFound):
    title = "Import not found"


class EntryNotFound(NotFound):
    title = "Account entry not found"


class EmailTaken(Conflict):
    title = "This e-mail is already in use"


class PhoneTaken(Conflict):
    title = "This phone is already in use"


class ExternalIdTaken(Conflict):
    title = "This external_id already exists"


class ImportAbandoned(Conflict):
    title = "The file took so long that it was given up"


class LastAdmin(Conflict):
    title = "The last active admin cannot be demoted or disabled"


class TotpActive(Conflict):
    title = "The second factor is active already"


class TotpInactive(Conflict):
    title = "There is no second factor"


class CustomerInUse(Conflict):
    title = "The customer is referred to by other records"


class IllegalTransition(Conflict):
    title = "The loan's status does not allow this"


class LoanNotEditable(Conflict):
    title = "The application can no longer be edited"


class PaymentNotReversible(Conflict):
    title = "The payment cannot be reversed"


class EntryNotReversible(Conflict):
    title = "The account entry cannot be reversed"


class IdempotencyKeyInUse(Conflict):
    title = "The first request with this Idempotency-Key is still at work"


class FormSentBefore(Conflict):
    title = "This form was sent before, with other values"


class IdempotencyKeyReused(Refused):
    title = "This Idempotency-Key came with another request before"


class InsufficientFunds(Refused):
    title = "The account does not hold that much"


class AccountFull(Refused):
    title = "The account cannot hold that much"


class WrongPassword(Refused):
    title = "The current password is not right"


class WrongOtp(Refused):
    title = "The one-time password is not right"


class WeakPassword(Refused):
    title = "This password is too easy to guess"


class CustomerIncomplete(Refused):
    title = "A customer needs a first name, last name and e-mail, or an external_id"


class CustomerInactive(Refused):
    title = "The customer is inactive"


class CreditLimitExceeded(Refused):
    title = "Credit limit exceeded"


class LoanTooRisky(Refused):
    title = "Loan too risky to approve"


class ReasonRequired(Refused):
    title = "A reason is required"
