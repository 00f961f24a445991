"""The demo: few records with a past, consistent as if the services had written them over months."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random

from sqlalchemy import select

from app.db import db, transaction
from app.models import (
    Customer,
    FlagClearance,
    FraudFlag,
    Journal,
    JournalKind,
    Loan,
    LoanEvent,
    LoanStatus,
    Payment,
    Severity,
    User,
)
from app.rules import risk
from app.rules.fraud import RULES, Facts
from app.services.ledger import NOTHING
from seeding.cashier import Cashier
from seeding.cast import (
    ACTIVE,
    BORROWERS,
    FLAGGED,
    MOVEMENTS,
    PENDING,
    STORIES,
    Borrower,
    Movement,
    Step,
    Story,
)
from seeding.people import hire, new_id, note

OPENED_DAYS_AGO = 300
CONTRACT = "2026-1"
JUMP = RULES["income-jump"]
NOTED_AS = {PENDING: "flags_cleared", ACTIVE: "activated"}

Event = tuple[datetime, Callable[[datetime], object]]


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
        self.customers: dict[str, Customer] = {}
        self.loans: dict[str, list[Loan]] = defaultdict(list)
        self.cashier = Cashier(random)
        self.done: dict[Movement, Payment | Journal] = {}

    def write(self) -> None:
        """One event after another, in the order of time."""
        events = sorted(self._events(), key=lambda event: event[0])
        for at, happen in events:
            happen(at)
            db.session.flush()

    def _events(self) -> Iterator[Event]:
        for borrower in BORROWERS:
            yield self._office_hour(borrower.days_ago), partial(self._welcome, borrower)
        for story in STORIES:
            applied_at, loan = self._office_hour(story.days_ago), _applied_for(story)
            yield applied_at, partial(self._apply, story, loan)
            for step in story.steps:
                yield applied_at + timedelta(days=step.days), partial(self._decide, loan, step)
        for movement in MOVEMENTS:
            yield self._office_hour(movement.days_ago), partial(self._move, movement)
            if movement.undone:
                days_ago, reason = movement.undone
                yield self._office_hour(days_ago), partial(self._undo, movement, reason)

    def _welcome(self, borrower: Borrower, at: datetime) -> None:
        by = self.random.choice(self.officers)
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
        self.customers[borrower.email] = customer

    def _apply(self, story: Story, loan: Loan, at: datetime) -> None:
        officer = self.random.choice(self.officers)
        loan.id, loan.customer = new_id(self.random, at), self.customers[story.email]
        loan.created_by, loan.created_at, loan.updated_at = officer.id, at, at
        self.loans[story.email].append(loan)
        db.session.add(loan)
        db.session.flush()
        self._record(at, officer, loan, None)
        note(self.random, at, officer, "loan.applied", loan.id)
        self._examine(officer, loan, at + timedelta(milliseconds=1))

    def _examine(self, officer: User, loan: Loan, at: datetime) -> None:
        """Ask the fraud rule that the cast gives something to find."""
        *former, _ = self.loans[loan.customer.email]
        lately = at - JUMP.limit.window
        declared = [each.income for each in former[-1:] if each.created_at >= lately]
        found = JUMP.judge(_facts_of(loan, declared), JUMP.limit)
        if found is None:
            return
        loan.status, loan.updated_at = FLAGGED, at
        self._record(at, None, loan, PENDING, found.reason)
        flag = FraudFlag(id=new_id(self.random, at), loan_id=loan.id, rule=found.rule)
        flag.reason, flag.severity, flag.created_at = found.reason, Severity(found.severity), at
        flag.evidence = dict(found.evidence)
        db.session.add(flag)
        named = {"by": "policy", "rules": [found.rule]}
        note(self.random, at, officer, "loan.flagged", loan.id, **named)

    def _decide(self, loan: Loan, step: Step, at: datetime) -> None:
        before, loan.status, loan.updated_at = loan.status, step.status, at
        self._record(at, self.admin, loan, before, step.reason)
        if step.status == FLAGGED:
            flag = FraudFlag(id=new_id(self.random, at), rule="manual", severity=Severity.HIGH)
            flag.loan_id, flag.reason, flag.created_at = loan.id, step.reason or "", at
            db.session.add(flag)
        elif step.status == PENDING:
            db.session.add_all(
                FlagClearance(flag_id=flag_id, at=at, by=self.admin.id, reason=step.reason)
                for flag_id in db.session.scalars(
                    select(FraudFlag.id).where(FraudFlag.loan_id == loan.id)
                ).all()
            )
        elif step.status == ACTIVE:
            loan.taken_at, loan.contract_version = at, CONTRACT
            self.cashier.disburse(at, self.admin, loan)
        action = NOTED_AS.get(step.status, step.status.lower())
        note(self.random, at, self.admin, f"loan.{action}", loan.id)

    def _move(self, movement: Movement, at: datetime) -> None:
        officer, customer = self.random.choice(self.officers), self.customers[movement.email]
        if movement.kind != JournalKind.PAYMENT:
            self.done[movement] = self.cashier.move(at, officer, movement, customer)
            return
        loans = self.loans[movement.email]
        self.done[movement] = self.cashier.pay(at, officer, movement, customer, loans)
        for loan in loans:
            if loan.status == ACTIVE and loan.outstanding == NOTHING:
                loan.status = LoanStatus.PAID
                self._record(at, officer, loan, ACTIVE)

    def _undo(self, movement: Movement, reason: str, at: datetime) -> None:
        done = self.done[movement]
        if isinstance(done, Payment):
            self.cashier.reverse(at, self.admin, done, reason)
        else:
            self.cashier.take_back(at, self.admin, done, reason)

    def _record(
        self,
        at: datetime,
        by: User | None,
        loan: Loan,
        before: LoanStatus | None,
        reason: str | None = None,
    ) -> None:
        event = LoanEvent(id=new_id(self.random, at), loan_id=loan.id, at=at)
        event.by = by.id if by else None
        event.from_status, event.to_status, event.reason = before, loan.status, reason
        db.session.add(event)

    def _office_hour(self, days_ago: int) -> datetime:
        """Some minute of that day on which people are at work."""
        opening = self.until - timedelta(days=days_ago) + timedelta(hours=8)
        return opening + timedelta(seconds=self.random.randrange(9 * 3600))


def _facts_of(loan: Loan, declared: Sequence[Decimal]) -> Facts:
    """What a customer of the cast, who shares nothing with another, has declared before."""
    return Facts(
        amount=loan.amount,
        income=loan.income,
        applications=1,
        declared_before=min(declared, default=None),
        email_domain=loan.customer.email_domain,
        is_public_domain=True,
        is_disposable_domain=False,
        customers_of_domain=1,
        others_with_phone=0,
    )


def _applied_for(story: Story) -> Loan:
    figures = {name: Decimal(getattr(story, name)) for name in ("amount", "income", "expenses")}
    return Loan(
        external_id=story.external_id,
        term_months=story.term_months,
        purpose=story.purpose,
        risk_score=risk.assess(term_months=story.term_months, **figures).score,
        status=PENDING,
        outstanding=NOTHING,
        **figures,
    )
