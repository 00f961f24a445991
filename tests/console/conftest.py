"""A desk for each kind of user."""

import pytest

from tests.console.desk import Desk, seated
from tests.factories import Caller


@pytest.fixture
def admins_desk(admin: Caller) -> Desk:
    return seated(admin.app, admin.user)


@pytest.fixture
def officers_desk(officer: Caller) -> Desk:
    return seated(officer.app, officer.user)
