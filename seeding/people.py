"""The lender's own people, whom the demo and the large book have in common."""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from app.db import db
from app.models import AuditEvent, Role, User
from app.services import passwords
from seeding.ids import milliseconds, uuid7_hex


@dataclass(frozen=True, slots=True)
class Employee:
    email: str
    password: str
    nickname: str
    role: Role


STAFF = (
    Employee("admin@loanapp.com", "admin123", "Admin", Role.ADMIN),
    Employee("nadia.rahman@loanapp.com", "officer123", "Nadia", Role.OFFICER),
    Employee("tomas.lindqvist@loanapp.com", "officer123", "Tomas", Role.OFFICER),
)


def hire(random: Random, at: datetime) -> list[User]:
    """Add the staff, the admin first, to the transaction at work; all joined at that moment."""
    users = [
        User(
            id=new_id(random, at),
            email=employee.email,
            password_hash=passwords.hashed(employee.password),
            nickname=employee.nickname,
            role=employee.role,
            created_at=at,
            updated_at=at,
        )
        for employee in STAFF
    ]
    for user in users:
        note(random, at, users[0], "user.registered", user.id, role=user.role)
    db.session.add_all(users)
    return users


def note(
    random: Random, at: datetime, by: User, action: str, subject_id: UUID, /, **details: object
) -> None:
    """Add one event to the audit trail, as the services write them."""
    db.session.add(
        AuditEvent(
            id=new_id(random, at),
            at=at,
            actor_id=by.id,
            actor_kind="user",
            action=action,
            subject=action.partition(".")[0],
            subject_id=subject_id,
            details=details,
        )
    )


def new_id(random: Random, at: datetime) -> UUID:
    """The next id of a record made at that moment."""
    return UUID(hex=uuid7_hex(milliseconds(at), random))
