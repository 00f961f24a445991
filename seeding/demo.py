"""The demo: few records with a past, consistent as if the services had written them over months."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random

from app.db import db, transaction
from app.models import Customer, FlagClearance, FraudFlag, Loan, LoanEvent, Severity, User
from app.rules import risk
from seeding.cast import ACTIVE, BORROWERS, FLAGGED, PAID, PENDING, STORIES, Borrower, Step, Story
from seeding.people import hire, new_id, note

OPENED_DAYS_AGO = 300
CONTRACT = "2026-1"


def load(seed: int, until: datetime) -> None:
    """Add the demo, whose last day is the one before `until`. Ids follow from both."""
    random = Random(seed)  # noqa: S311  nothing here is secret
    with transaction():
        _Chronicle(random, until, hire(random, until - timedelta(days=OPENED_DAYS_AGO))).write()


class _Chronicle:
    """Writes the cast's past into the transaction at work. The first of `staff` decides."""

    def __init__(self, random: Random, until: datetime, staff: list[User]) -> None:
        self.random = random
        self.until = until
        self.admin, *self.officers = staff

    def write(self) -> None:
        customers = {borrower.email: self._customer(borrower) for borrower in BORROWERS}
        for story in STORIES:
            self._tell(story, customers[story.email])

    def _customer(self, borrower: Borrower) -> Customer:
        at, by = self._office_hour(borrower.days_ago), self.random.choice(self.officers)
        customer = Customer(
            id=new_id(self.random, at),
            external_id=borrower.external_id,
            first_name=borrower.first_name,
            last_name=borrower.last_name,
            email=borrower.email,
            phone=borrower.phone,
            status=borrower.status,
            credit_limit=borrower.credit_limit,
            created_by=by.id,
            created_at=at,
            updated_at=at,
        )
        db.session.add(customer)
        note(self.random, at, by, "customer.created", customer.id)
        return customer

    def _tell(self, story: Story, customer: Customer) -> None:
        """Add the application as it stands today, and how it came there."""
        applied_at, officer = self._office_hour(story.days_ago), self.random.choice(self.officers)
        steps = (Step(PENDING, 0), *story.steps)
        loan = _as_it_stands(story, steps, applied_at)
        loan.id, loan.customer = new_id(self.random, applied_at), customer
        loan.created_by = officer.id
        db.session.add(loan)
        db.session.flush()
        self._event(loan, None, steps[0], officer)
        note(self.random, applied_at, officer, "loan.applied", loan.id)
        for before, step in pairwise(steps):
            self._event(loan, before, step, self.admin)
            self._judge(loan, step)

    def _event(self, loan: Loan, before: Step | None, step: Step, by: User) -> None:
        at = loan.created_at + timedelta(days=step.days)
        event = LoanEvent(id=new_id(self.random, at), loan_id=loan.id, at=at, by=by.id)
        event.from_status = before.status if before else None
        event.to_status, event.reason = step.status, step.reason
        db.session.add(event)

    def _judge(self, loan: Loan, step: Step) -> None:
        at = loan.created_at + timedelta(days=step.days)
        action = "flags_cleared" if step.status == PENDING else step.status.lower()
        note(self.random, at, self.admin, f"loan.{action}", loan.id)
        if step.status == FLAGGED:
            flag = FraudFlag(id=new_id(self.random, at), rule="manual", severity=Severity.HIGH)
            flag.loan_id, flag.reason, flag.created_at = loan.id, step.reason or "", at
            db.session.add(flag)
        if step.status == PENDING:
            db.session.add_all(
                FlagClearance(flag_id=flag.id, at=at, by=self.admin.id, reason=step.reason)
                for flag in db.session.scalars(loan.flags.select()).all()
            )

    def _office_hour(self, days_ago: int) -> datetime:
        """Some minute of that day on which people are at work."""
        opening = self.until - timedelta(days=days_ago) + timedelta(hours=8)
        return opening + timedelta(seconds=self.random.randrange(9 * 3600))


def _as_it_stands(story: Story, steps: tuple[Step, ...], applied_at: datetime) -> Loan:
    figures = {name: Decimal(getattr(story, name)) for name in ("amount", "income", "expenses")}
    status = steps[-1].status
    taken = [applied_at + timedelta(days=step.days) for step in steps if step.status == ACTIVE]
    return Loan(
        external_id=story.external_id,
        term_months=story.term_months,
        purpose=story.purpose,
        risk_score=risk.assess(term_months=story.term_months, **figures).score,
        status=status,
        outstanding=figures["amount"] - Decimal(story.repaid) if status == ACTIVE else Decimal(0),
        contract_version=CONTRACT if status in (ACTIVE, PAID) else None,
        taken_at=taken[0] if taken else None,
        created_at=applied_at,
        updated_at=applied_at + timedelta(days=steps[-1].days),
        **figures,
    )
