"""What is stored: constraints, indexes, state machines; one module an aggregate."""

from app.models.audit import AuditEvent
from app.models.customer import Customer, CustomerStatus, RetiredExternalId
from app.models.customer_import import (
    CustomerImport,
    ImportChunk,
    ImportedName,
    ImportPart,
    ImportStatus,
    RefusedLine,
)
from app.models.generation import Generation
from app.models.honeypot import HoneypotVisit
from app.models.idempotency import KeptAnswer
from app.models.ledger import Account, Book, Direction, Entry, Journal, JournalKind
from app.models.loan import (
    FlagClearance,
    FraudFlag,
    Loan,
    LoanEvent,
    LoanStatus,
    Severity,
)
from app.models.notice import FlagNotice
from app.models.payment import Payment, PaymentSource, PaymentStatus
from app.models.search import SearchChange, SearchTally
from app.models.tally import Tally, TallyChange, TallyFold
from app.models.task_run import TaskRun
from app.models.user import ApiKey, KnownPlace, LoginFailures, LoginSession, Role, SigningKey, User

__all__ = [
    "Account",
    "ApiKey",
    "AuditEvent",
    "Book",
    "Customer",
    "CustomerImport",
    "CustomerStatus",
    "Direction",
    "Entry",
    "FlagClearance",
    "FlagNotice",
    "FraudFlag",
    "Generation",
    "HoneypotVisit",
    "ImportChunk",
    "ImportPart",
    "ImportStatus",
    "ImportedName",
    "Journal",
    "JournalKind",
    "KeptAnswer",
    "KnownPlace",
    "Loan",
    "LoanEvent",
    "LoanStatus",
    "LoginFailures",
    "LoginSession",
    "Payment",
    "PaymentSource",
    "PaymentStatus",
    "RefusedLine",
    "RetiredExternalId",
    "Role",
    "SearchChange",
    "SearchTally",
    "Severity",
    "SigningKey",
    "Tally",
    "TallyChange",
    "TallyFold",
    "TaskRun",
    "User",
]
