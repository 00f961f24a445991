"""The service under gunicorn on the tests' database, and an admin whose token outlives the run."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.models import Role
from tests.factories import Caller, Lender
from tests.serving import Service, served


@pytest.fixture
def teller(make_app: Callable[..., Flask], clean: None) -> Caller:
    return Lender(make_app(ACCESS_TOKEN_MINUTES="1440")).user(Role.ADMIN)


@pytest.fixture
def service(environ: dict[str, str], clean: None) -> Iterator[Service]:
    """Nothing is flagged there: what is applied for can be disbursed."""
    with served({**environ, "FRAUD_VELOCITY": "off"}) as service:
        yield service
