"""What is stored: constraints, indexes, state machines; one module an aggregate."""

from app.models.audit import AuditEvent
from app.models.customer import Customer, CustomerStatus, RetiredExternalId
from app.models.loan import (
    FlagClearance,
    FraudFlag,
    Loan,
    LoanEvent,
    LoanStatus,
    Severity,
)
from app.models.user import ApiKey, LoginFailures, LoginSession, Role, User

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Customer",
    "CustomerStatus",
    "FlagClearance",
    "FraudFlag",
    "Loan",
    "LoanEvent",
    "LoanStatus",
    "LoginFailures",
    "LoginSession",
    "RetiredExternalId",
    "Role",
    "Severity",
    "User",
]
