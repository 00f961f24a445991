"""What is stored: constraints, indexes, state machines; one module an aggregate."""

from app.models.audit import AuditEvent
from app.models.customer import Customer, CustomerStatus, RetiredExternalId
from app.models.generation import Generation
from app.models.loan import (
    FlagClearance,
    FraudFlag,
    Loan,
    LoanEvent,
    LoanStatus,
    Severity,
)
from app.models.notice import FlagNotice
from app.models.user import ApiKey, LoginFailures, LoginSession, Role, User

__all__ = [
    "ApiKey",
    "AuditEvent",
    "Customer",
    "CustomerStatus",
    "FlagClearance",
    "FlagNotice",
    "FraudFlag",
    "Generation",
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
