from datetime import UTC, datetime, timedelta

from flask import Flask
from sqlalchemy import select, text

from app.db import db, transaction
from app.models import Loan
from bench.ids import QUERIES, find_ids
from tests.factories import Caller


def url(app: Flask) -> str:
    with app.app_context():
        return db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


def test_everything_that_requests_refer_to_is_found(app: Flask, admin: Caller) -> None:
    customer = admin.make_customer()
    for number in range(3):
        loan = admin.make_loan(customer, external_id=f"L-{number}", amount="5000.00")
        assert admin.post(f"/loans/{loan['id']}/activate").status_code == 200
    old = admin.make_customer()
    ids = find_ids(url(app))
    assert set(ids) == set(QUERIES)
    assert set(ids["named_loans"]) == {"L-0", "L-1", "L-2"}
    assert ids["debtors"] == [customer["id"]]
    assert ids["borrowers"] == [old["id"]]
    assert set(ids["days"]) == {datetime.now(UTC).date().isoformat()}
    assert customer["email"] in ids["texts"]


def test_what_former_runs_applied_for_is_recent_no_more(app: Flask, admin: Caller) -> None:
    customer = admin.make_customer()
    loan = admin.make_loan(customer)
    with app.app_context(), transaction():
        db.session.execute(text("UPDATE users SET email = 'bench.0@example.com'"))
    assert customer["id"] in find_ids(url(app))["borrowers"]
    with app.app_context():
        (created_at,) = db.session.scalars(select(Loan.created_at).filter_by(id=loan["id"]))
    assert created_at < datetime.now(UTC) - timedelta(days=90)
