"""Users of the bench: many, so that log-ins do not wait for one another's row."""

from collections.abc import Mapping

from sqlalchemy import select

from app import config, create_app
from app.db import db, transaction
from app.models import Role, User
from app.services import auth, passwords
from app.web import tokens
from bench.argon2 import PASSWORD

USERS = 32
ADMIN = "bench.0@example.com"


def ensure_users(environment: Mapping[str, str]) -> tuple[str, str]:
    """Add them where they are missing; answers an admin's token and the hash they all have."""
    app = create_app(config.load(environment))
    with app.app_context():
        password_hash = passwords.hashed(PASSWORD)
        with transaction():
            known = {user.email: user for user in db.session.scalars(select(User))}
            for number in range(USERS):
                email = f"bench.{number}@example.com"
                user = known.get(email) or User(email=email, role=Role.ADMIN)
                user.password_hash = password_hash
                db.session.add(user)
        grant = auth.log_in(ADMIN, PASSWORD)
        token: str = tokens.issue(grant)["access_token"]
        db.engine.dispose()
    return token, password_hash
