"""What the rules are told: windows to the microsecond, and whose applications count."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import normalize_digits_only
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import Customer, Loan
from app.rules.fraud import Facts
from app.schemas.fields.text import PHONE
from app.services import facts
from tests.factories import Caller

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY, QUARTER = timedelta(hours=24), timedelta(days=90)


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def applied_at(loan: dict[str, Any], moment: datetime) -> None:
    """Move an application in time."""
    with transaction():
        db.session.execute(
            text("UPDATE loans SET created_at = :at WHERE id = :id"),
            {"at": moment, "id": UUID(loan["id"])},
        )


def facts_at(moment: datetime, customer: dict[str, Any], *, is_new: bool = True) -> Facts:
    """Of an application made at that moment."""
    loan = Loan(id=uuid4(), amount=Decimal(1), income=Decimal(1), created_at=moment)
    with transaction():
        borrower = db.session.get_one(Customer, UUID(customer["id"]))
        return facts.gather(borrower, loan, is_new=is_new).facts


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("age", "applications"), [(DAY - MICROSECOND, 2), (DAY, 1), (DAY + MICROSECOND, 1)]
)
def test_an_application_of_24_hours_ago_is_no_longer_within_24_hours(
    admin: Caller, customer: dict[str, Any], age: timedelta, applications: int
) -> None:
    applied_at(admin.make_loan(customer), NOON - age)
    assert facts_at(NOON, customer).applications == applications


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(("age", "income"), [(QUARTER - MICROSECOND, "700.00"), (QUARTER, None)])
def test_a_declaration_of_90_days_ago_is_no_longer_within_90_days(
    admin: Caller, customer: dict[str, Any], age: timedelta, income: str | None
) -> None:
    applied_at(admin.make_loan(customer, income="700.00"), NOON - age)
    assert facts_at(NOON, customer).declared_before == (income and Decimal(income))


@pytest.mark.usefixtures("context")
def test_an_application_that_a_fast_clock_dated_ahead_counts_for_a_new_one(
    admin: Caller, customer: dict[str, Any]
) -> None:
    applied_at(admin.make_loan(customer, income="700.00"), NOON + timedelta(minutes=10))
    known = facts_at(NOON, customer)
    assert (known.applications, known.declared_before) == (2, Decimal("700.00"))


@pytest.mark.usefixtures("context")
def test_what_came_later_does_not_count_when_an_edit_is_judged(
    admin: Caller, customer: dict[str, Any]
) -> None:
    applied_at(admin.make_loan(customer, income="700.00"), NOON - DAY / 2)
    applied_at(admin.make_loan(customer, income="900.00"), NOON + DAY / 2)
    assert facts_at(NOON, customer, is_new=False).declared_before == Decimal("700.00")


@pytest.mark.usefixtures("context")
def test_of_two_made_at_one_moment_the_id_says_which_came_first(
    admin: Caller, customer: dict[str, Any]
) -> None:
    first, second = (admin.make_loan(customer, income=f"{n}.00") for n in (1, 2))
    for loan in (first, second):
        applied_at(loan, NOON)
    with transaction():
        found = [
            facts.gather(
                db.session.get_one(Customer, UUID(customer["id"])),
                db.session.get_one(Loan, UUID(loan["id"])),
                is_new=False,
            )
            for loan in (first, second)
        ]
    assert [each.facts.declared_before for each in found] == [None, Decimal("1.00")]


@pytest.mark.usefixtures("context")
def test_a_customer_without_anything_is_told_of_so(admin: Caller) -> None:
    bare = admin.make_customer(external_id="bare", email=None)
    known = facts_at(NOON, bare)
    assert (known.email_domain, known.customers_of_domain, known.others_with_phone) == (None, 0, 0)


@pytest.mark.usefixtures("context", "clean")
@pytest.mark.parametrize("customers", [facts.COUNTED_AT_MOST + offset for offset in (-1, 0, 1)])
def test_a_domain_of_many_customers_is_counted_to_the_last(customers: int) -> None:
    with transaction():
        db.session.add_all(
            Customer(external_id=f"c-{n}", email=f"{n}@big.example", created_by=uuid4())
            for n in range(customers)
        )
    customer = db.session.scalars(select(Customer).limit(1)).one()
    assert facts_at(NOON, {"id": str(customer.id)}).customers_of_domain == customers


@pytest.mark.usefixtures("context", "clean")
def test_postgresql_and_phonenumbers_see_the_same_digits() -> None:
    """What the index holds is what a phone is looked up by."""

    @settings(max_examples=20, deadline=None)
    @given(phones=st.lists(st.from_regex(PHONE, fullmatch=True), min_size=20, unique=True))
    def check(phones: list[str]) -> None:
        with suppress(ZeroDivisionError), transaction():
            owner = uuid4()
            db.session.add_all(
                Customer(external_id=f"c-{number}", phone=phone, created_by=owner)
                for number, phone in enumerate(phones)
            )
            stored = db.session.execute(select(Customer.phone, Customer.phone_digits)).all()
            assert dict(map(tuple, stored)) == {
                each: normalize_digits_only(each) for each in phones
            }
            raise ZeroDivisionError  # nothing is kept

    check()
