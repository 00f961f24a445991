"""Who calls the service in the tests, and the records they make."""

from itertools import count
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from app.db import db, transaction
from app.models import Role, User
from app.services import auth, passwords
from app.web import tokens

PASSWORD = "correct horse battery"
LOAN = {
    "amount": "25000.00",
    "term_months": 36,
    "purpose": "a delivery van",
    "income": "60000.00",
    "expenses": "20000.00",
}
_numbers = count(1)


class Caller:
    """A client with a credential, or none."""

    def __init__(
        self, app: Flask, headers: dict[str, str] | None = None, user: User | None = None
    ) -> None:
        self.app = app
        self.headers = headers or {}
        self.user = user

    def __getattr__(self, name: str) -> Any:
        if name not in ("get", "post", "patch", "delete", "put", "options", "head", "open"):
            raise AttributeError(name)

        def send(path: str, json: Any = None, **kwargs: Any) -> TestResponse:
            headers = {**self.headers, **kwargs.pop("headers", {})}
            if json is not None:
                kwargs["json"] = json
            return getattr(self.app.test_client(), name)(path, headers=headers, **kwargs)

        return send

    @property
    def id(self) -> str:
        assert self.user is not None
        return str(self.user.id)

    @property
    def token(self) -> str:
        return self.headers["Authorization"].removeprefix("Bearer ")

    def make_customer(self, **values: Any) -> dict[str, Any]:
        number = next(_numbers)
        given = {
            "first_name": "Ada",
            "last_name": f"Borrower {number}",
            "email": f"borrower@household{number}.example",
            **values,
        }
        return created(self.post("/customers/", given))

    def make_loan(self, customer: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
        customer = customer or self.make_customer()
        return created(self.post("/loans/", {**LOAN, "customer_id": customer["id"], **values}))

    def make_debt(self, customer: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
        """A loan that is disbursed: all of it is owed, and stands on its customer's account."""
        loan = self.make_loan(customer, **values)
        activated = self.post(f"/loans/{loan['id']}/activate")
        assert activated.status_code == 200, activated.get_data(as_text=True)
        return dict(activated.get_json())

    def pay(self, customer_id: str, total_amount: str, **values: Any) -> dict[str, Any]:
        body = {"customer_id": customer_id, "total_amount": total_amount, **values}
        return created(self.post("/payments/", body))


class Lender:
    """The service with its people."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def user(self, role: Role, *, is_active: bool = True, email: str | None = None) -> Caller:
        """A user of that role, logged in."""
        with self.app.app_context():
            user = User(
                email=email or f"{role}{next(_numbers)}@lender.example.com",
                password_hash=passwords.hashed(PASSWORD),
                role=role,
                is_active=is_active,
            )
            with transaction():
                db.session.add(user)
            grant = auth.log_in(user.email, PASSWORD) if is_active else None
            pair = tokens.issue(grant) if grant else {}
            db.session.refresh(user)  # a key may have been made to sign with, and it forgotten
        headers = {"Authorization": f"Bearer {pair['access_token']}"} if pair else {}
        caller = Caller(self.app, headers, user)
        caller.refresh_token = pair.get("refresh_token")
        return caller


def created(response: TestResponse) -> dict[str, Any]:
    assert response.status_code == 201, response.get_data(as_text=True)
    return dict(response.get_json())
